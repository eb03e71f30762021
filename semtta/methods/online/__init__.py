"""The methods that go frame by frame."""

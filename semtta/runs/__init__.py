"""Videos to folders of results."""

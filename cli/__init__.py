"""The command ``semtta``: thin wrappers over the Python API."""

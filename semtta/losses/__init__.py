"""The terms of Eq. 10."""

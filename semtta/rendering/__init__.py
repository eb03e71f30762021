"""Triangles to pixels, and drawing on pictures."""

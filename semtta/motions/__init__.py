"""Motions: packed files, AMASS with BABEL, windows and poses drawn from them."""

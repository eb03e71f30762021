"""Training of the included weights; the same code retrains them on the user's own data."""

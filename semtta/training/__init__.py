"""Training of the included weights; the same commands retrain them on the user's own data."""

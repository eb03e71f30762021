"""Files: whole or not at all, weights, arrays, labels, and the folders of runs."""

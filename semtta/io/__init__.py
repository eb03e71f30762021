"""Files: atomic writing, weights, arrays, labels, and run folders."""

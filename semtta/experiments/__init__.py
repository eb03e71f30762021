"""Studies: methods x datasets x seeds, and the paper's tables and figures as views over their results."""

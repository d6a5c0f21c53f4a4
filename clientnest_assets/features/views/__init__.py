"""One file a feature view: its declaration and the one function that computes it."""

"""The final model of a run in use: loaded back as the plain model that it is, and its scores for files."""

"""Showing runs elsewhere while they go on and afterwards; MLflow is one tracker, in the files that start with its name."""

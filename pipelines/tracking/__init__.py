"""Showing runs elsewhere: MLflow, as a view of the records."""

"""Scores of a model, one file per kind; each a `Meter`."""

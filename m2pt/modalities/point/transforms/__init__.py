"""Stored clouds to what the model sees, in training and in testing, and the geometry behind it."""

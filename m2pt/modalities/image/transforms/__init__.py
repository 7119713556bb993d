"""Pixels to what the model sees, in training and in testing."""

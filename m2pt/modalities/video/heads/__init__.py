"""Heads for videos alone: none so far."""

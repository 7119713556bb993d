"""Heads for images alone."""

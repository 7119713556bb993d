"""Heads for point clouds alone."""

"""Heads that only point clouds use."""

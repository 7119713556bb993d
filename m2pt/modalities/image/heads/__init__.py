"""Heads that only images use."""

"""Heads that only sounds use: none so far."""

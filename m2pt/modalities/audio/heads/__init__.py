"""Heads for sounds alone: none so far."""

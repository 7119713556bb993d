"""Doing it: slots, workers, sessions, progress."""

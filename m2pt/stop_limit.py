"""How long a job has to stop. A module of its own: a job needs it before anything that takes long to import."""

STOP_LIMIT_S = 8.0
"""Seconds that a job has to finish its step, save and end where a study file says nothing else (`execution.stop_limit_s`)."""

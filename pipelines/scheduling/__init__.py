"""Prefect: flows, schedules, and its local server."""

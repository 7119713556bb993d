"""Refuses the keys of a study file that change none of its runs."""

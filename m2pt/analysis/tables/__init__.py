"""A report's content beside its figures, computed from the table of runs."""

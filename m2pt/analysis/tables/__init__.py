"""A report's content apart from its figures, computed from the table of runs."""

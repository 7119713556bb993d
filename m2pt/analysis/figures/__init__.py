"""The figures of the report: each function takes computed numbers and returns a matplotlib figure, the same bytes each time."""

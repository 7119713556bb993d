"""The engine of a Ray cluster: a worker for each slot of its nodes."""

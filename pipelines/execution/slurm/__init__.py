"""Runs as jobs of SLURM: submitted at once, and done without a process that waits for them."""

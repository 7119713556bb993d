"""What a study would run, what of that is done, and what the rest will cost."""

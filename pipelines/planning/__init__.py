"""What a study would run, what of it is done, and what it costs."""

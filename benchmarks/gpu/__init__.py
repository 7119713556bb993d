"""What a GPU does with the pathway: is it right, and what does it cost? `python -m benchmarks.gpu` runs it."""

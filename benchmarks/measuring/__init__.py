"""What the benchmarks of the CPU and of a GPU share: a clock, models, samples, steps, rows, parts in processes of their own."""

"""Statistics: cells of runs, paired differences, intervals, corrections, ranks."""

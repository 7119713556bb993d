"""From the table of runs to numbers, words and pictures: statistics, tables, trajectories, figures, provenance."""

"""What the paper published, as data, and the comparison of a study with it."""

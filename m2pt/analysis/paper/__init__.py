"""What the paper published, as data, and a study beside it."""

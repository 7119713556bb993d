"""What the methods do to a model: the code of their declarations, which alone is imported to plan a study."""

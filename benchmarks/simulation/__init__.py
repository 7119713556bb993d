"""Studies with known effects, and what the report says of them."""

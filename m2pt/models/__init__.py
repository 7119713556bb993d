"""The model that is trained: encoder, heads, the whole, and what it costs before it is run."""

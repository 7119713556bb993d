"""The model that is trained: encoder, heads, the complete model, and what a run of it costs."""

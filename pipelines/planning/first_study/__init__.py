"""A first study file for somebody's own data: what the data and the weights say of themselves, and what a budget allows."""

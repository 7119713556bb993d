"""A study as objects of pandas, matplotlib and torch, for notebooks and scripts."""

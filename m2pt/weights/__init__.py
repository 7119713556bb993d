"""Loads pretrained weights from files into modules: any published layout, strictly and safely.

No file is ever executed: safetensors hold no code, and only tensors and plain data are read from a PyTorch file. Every tensor
that a module needs is matched, or loading fails with the list of keys.
"""

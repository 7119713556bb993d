"""Loads pretrained weights from files into modules: any published layout, strictly and safely.

No file is ever executed: safetensors hold no code, and only tensors and plain data are read from a PyTorch file. Every tensor
that a module needs is matched, or loading fails with the list of keys.
"""

from m2pt.weights.inspection import Inspection, inspect
from m2pt.weights.reading import LoadedWeights, load_encoder, read_encoder
from m2pt.weights.saved import load_into, read_weights, save_weights
from m2pt.weights.shards import check_content, weights_file, weights_sha256

__all__ = [
    "Inspection",
    "LoadedWeights",
    "check_content",
    "inspect",
    "load_encoder",
    "load_into",
    "read_encoder",
    "read_weights",
    "save_weights",
    "weights_file",
    "weights_sha256",
]

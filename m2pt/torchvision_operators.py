"""Make torchvision (which timm imports) importable beside a torch build that its compiled operators were not made for.

torchvision registers shape functions for its compiled operators `nms` and `qnms` at import. Where its binary part does not
load, as with the registry's CUDA build of torchvision beside a CPU build of torch, the operators do not exist and the import
stops with "operator torchvision::nms does not exist". m2pt uses neither operator; declaring their signatures is enough.
"""

import ctypes
import importlib.machinery
import importlib.util
from pathlib import Path

import torch

_SIGNATURES = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _compiled_operators_load() -> bool:
    """Whether torchvision's binary part loads into this torch; True where torchvision is not installed at all."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return True
    finder = importlib.machinery.FileFinder(
        str(Path(package.origin).parent),
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    )
    binary = finder.find_spec("_C")
    if binary is None or binary.origin is None:
        return False
    try:
        ctypes.CDLL(binary.origin)
    except OSError:
        return False
    return True


def declare_missing_operators() -> None:
    """Declare `torchvision::nms` and `torchvision::qnms` where torchvision's own compiled operators cannot be loaded."""
    if _compiled_operators_load():
        return
    for name, signature in _SIGNATURES.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", signature)

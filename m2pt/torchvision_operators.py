"""Make torchvision (which timm imports) importable beside a torch build that its compiled operators were not made for.

torchvision registers shape functions for its compiled operators `nms` and `qnms` at import. Where its binary part does not
load, as with the registry's CUDA build of torchvision beside a CPU build of torch, the operators do not exist and the import
stops with "operator torchvision::nms does not exist". Declaring their signatures is enough for everything but the detection of
objects, which uses `nms`: where the compiled one is missing, a plain one takes its place (`supply_nms`). Signatures are declared
when torchvision is about to be imported, because importing torch for it takes seconds that a command may not need.
"""

import ctypes
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

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


class _Before(MetaPathFinder):
    """Finds nothing, but is asked before torchvision is imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Declare the operators, once, if torchvision is what is looked for."""
        del path, target
        if name == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()


def declare_before_torchvision() -> None:
    """Declare missing operators as soon as torchvision is imported; nothing is needed if it has been."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _Before())


def declare_missing_operators() -> None:
    """Declare `torchvision::nms` and `torchvision::qnms` where torchvision's own compiled operators cannot be loaded."""
    if _compiled_operators_load():
        return
    import torch

    for name, signature in _SIGNATURES.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", signature)


def supply_nms(nms: Callable[..., object]) -> None:
    """Let torchvision's models compute with `nms` (boxes, scores, threshold) if its compiled operator does not load."""
    import torch
    from torchvision import extension  # type: ignore[import-untyped]
    from torchvision.ops import boxes  # type: ignore[import-untyped]

    if extension._has_ops() or boxes._assert_has_ops is _nothing:
        return
    torch.library.impl("torchvision::nms", "CompositeExplicitAutograd", nms)
    boxes._assert_has_ops = _nothing  # the other one there that asks is for boxes that are turned, which m2pt has none of


def _nothing() -> None:
    """Finds nothing missing."""

"""What timm says of its models by name: whether their blocks are those of this project, and what files do not show."""

import functools
import json
from dataclasses import dataclass
from typing import Any

from torch import nn

from m2pt.models.shapes import shapes_only

_USUAL_EPSILON = 1e-6


@dataclass(frozen=True)
class Architecture:
    """A model of timm. `departs` says in what its blocks differ from those of this project; empty if in nothing.

    `norm_epsilon` is None where it is that of timm's ViT.
    """

    depth: int
    width: int
    heads: int
    norm_epsilon: float | None
    departs: str
    mlp_ratio: float = 4.0
    qkv_bias: bool = True


@functools.lru_cache(maxsize=32)
def architecture_of(name: str, options: str = "{}") -> Architecture | None:
    """The model of that name, built as shapes without content; None if timm has none.

    `options` are further arguments of its constructor, as JSON.
    """
    import timm  # seconds that a file of another layout does without

    if not timm.is_model(name.partition(".")[0]):
        return None
    try:
        with shapes_only():
            model = timm.create_model(name, pretrained=False, **json.loads(options))
    except (RuntimeError, TypeError, ValueError):
        return None
    return _described(model)


def _described(model: nn.Module) -> Architecture:
    blocks = list(getattr(model, "blocks", ()))
    attention = getattr(blocks[0], "attn", None) if blocks else None
    qkv, heads = getattr(attention, "qkv", None), getattr(attention, "num_heads", None)
    if not isinstance(qkv, nn.Linear) or not isinstance(heads, int):
        return Architecture(0, 0, 0, None, f"other blocks than a ViT ({type(model).__name__})")
    epsilon = getattr(blocks[0].norm1, "eps", _USUAL_EPSILON)
    unusual = None if epsilon == _USUAL_EPSILON else float(epsilon)
    ratio = getattr(blocks[0].mlp.fc1, "out_features", 0) / qkv.in_features
    departs, bias = _departure(model, blocks[0]), qkv.bias is not None
    return Architecture(len(blocks), qkv.in_features, heads, unusual, departs, ratio, bias)


def _departure(model: nn.Module, block: Any) -> str:
    """What the blocks of a ViT have that those of this project have not, or the other way round."""
    parts: dict[str, tuple[Any, type[nn.Module] | None]] = {
        "a norm before its first block": (getattr(model, "norm_pre", None), nn.Identity),
        "norms of queries and keys": (getattr(block.attn, "q_norm", None), nn.Identity),
        "layer scale": (getattr(block, "ls1", None), nn.Identity),
        "another norm": (getattr(block, "norm1", None), nn.LayerNorm),
        "another activation": (getattr(block.mlp, "act", None), nn.GELU),
    }
    for what, (part, usual) in parts.items():
        if part is not None and usual is not None and not isinstance(part, usual):
            return f"{what} ({type(part).__name__})"
    if getattr(block.mlp.act, "approximate", "none") != "none":
        return "an approximate GELU"
    if getattr(model, "rope", None) is not None:
        return "rotary positions"
    return ""

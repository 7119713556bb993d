"""Half precision, if a recipe uses it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from m2pt.config import refuses_unknown

Precision = Literal["fp32", "bf16", "fp16"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@refuses_unknown
def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass: matrix products in half precision if the recipe says so; weights stay float32."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, dtype=_TYPES[precision])


@refuses_unknown
def half(precision: Precision) -> torch.dtype | None:
    """The type of a recipe's matrix products where it is not that of the weights."""
    return _TYPES.get(precision)


@refuses_unknown
def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss for fp16, in which small gradients would vanish; does nothing for other types."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")

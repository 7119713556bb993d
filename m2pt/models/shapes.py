"""Models as shapes without content: built in milliseconds, for facts that depend only on their structure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class _NumbersOnCpu(TorchFunctionMode):
    """Gives `linspace` real values where other tensors have none: a model reads its stochastic-depth rates while it is built."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*args, **((kwargs or {}) | ({"device": "cpu"} if func is torch.linspace else {})))


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build models in this context as shapes without content."""
    with torch.device("meta"), _NumbersOnCpu():
        yield


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a model has batch norm over all rows that it is given."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules())

"""Models as shapes without content: built in milliseconds, for what follows from their form alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _NumbersOnCpu(TorchFunctionMode):
    """Gives `linspace` a content where all else has none: a model reads its rates of stochastic depth while it is built."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*args, **((kwargs or {}) | ({"device": "cpu"} if func is torch.linspace else {})))


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build what is built inside without content."""
    with torch.device("meta"), _NumbersOnCpu():
        yield

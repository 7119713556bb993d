"""What a run asks of a data set, and the function that opens one of its splits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from m2pt.config import Augmentation, FilesConfig, Goal, InputConfig, TestConfig

if TYPE_CHECKING:
    from m2pt.modalities.shared.items import Items

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Wanted:
    """The form in which a run needs its samples: the resolved sections of its spec."""

    input: InputConfig
    augment: Augmentation | None
    test: TestConfig
    goal: Goal
    variant: str | None = None
    files: FilesConfig | None = None
    """How one's own files are listed and split; None for a published data set."""


Reader = Callable[[Path, Split, Wanted], "Items | None"]
"""Opens one split of a data set in a folder: lists it and checks the lists; None if the data set has no such split.

Raises `UserError` for a missing, empty or damaged list, naming file and line.
"""

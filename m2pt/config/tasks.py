"""Targets that are published data sets or one's own files."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from m2pt.config.base import Fraction, Frozen, Goal, Modality, Name, Tuning
from m2pt.config.datasets import OWN_DATASETS, Dataset
from m2pt.config.files import FilesConfig

MOST_UNREADABLE = 0.01
"""The share of a split that a task with `unreadable: skip` may leave out if it sets no `max_unreadable`."""


class TaskConfig(Frozen):
    """A target that is more than a modality: a published data set in its published files, or one's own files, with the recipes to
    train for it.

    A listed sample without a file ends a run before it starts, and one that cannot be read ends it when it is reached; with
    `unreadable: skip` both are left out from the start and counted.
    """

    modality: Modality
    """The modality of the samples."""
    dataset: Dataset
    """The data set, by the name of its reader; one's own files are a `folder` or a `table`."""
    goal: Goal = "classification"
    """What is predicted."""
    path: str
    """The folder of the data set, below `data.root`."""
    variant: str | None = None
    """Which form or split of the data set, where it has several."""
    files: Annotated[FilesConfig | None, Field(exclude_if=lambda files: files is None)] = None
    """How one's own files are listed and split; only for `dataset: folder` and `dataset: table`."""
    recipes: Annotated[dict[Tuning, Name], Field(min_length=1)]
    """The recipe for each tuning that the task is run in, by name (`m2pt/modalities/<modality>/recipes.py`)."""
    finetune: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that replace those of the recipe, with the keys of `finetune`."""
    input: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that replace those of the recipe's input, with the keys of `inputs.<modality>`."""
    holdout: Fraction = 0.0
    """Share of the training split that is kept as validation data, where the data set has none."""
    unreadable: Literal["fail", "skip"] = "fail"
    """End a run at a sample that is missing or cannot be read, or skip and count it."""
    max_unreadable: Fraction | None = None
    """Largest share of each split that may be skipped; without the key, 0.01."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.max_unreadable is not None and self.unreadable == "fail":
            yield "max_unreadable: limits what is skipped, but nothing is skipped; set unreadable to skip, or remove this key"
        if self.dataset not in OWN_DATASETS:
            if self.files is not None:
                yield f"files: is for one's own files (dataset: folder or table), not for {self.dataset}; remove this section"
            return
        has_table = self.files is not None and self.files.table is not None
        if has_table != (self.dataset == "table"):
            way = "name it there" if self.dataset == "table" else "set dataset to table, or remove this key"
            yield f"files.table: a table lists the files of dataset: table, and of no other; {way}"
        if self.variant is not None:
            yield "variant: one's own files have none; remove this key"
        if self.goal == "tagging" and (self.files is None or self.files.separator is None):
            yield "files.separator: tagging needs a table whose files have several labels; say what stands between them"
        elif self.goal != "tagging" and self.files is not None and self.files.separator is not None:
            yield f"files.separator: several labels are for tagging, and the goal is {self.goal}; correct one of them"

    @property
    def own_files(self) -> FilesConfig | None:
        """How one's own files are listed and split; None for a published data set."""
        return None if self.dataset not in OWN_DATASETS else self.files or FilesConfig()

    @property
    def most_unreadable(self) -> float | None:
        """The largest share of a split that may be left out; None if nothing may."""
        return None if self.unreadable == "fail" else MOST_UNREADABLE if self.max_unreadable is None else self.max_unreadable

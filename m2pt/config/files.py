"""One's own files as a data set: how they are listed, labelled and split."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import Fraction, Frozen, Seed

OwnDataset = Literal["folder", "table"]
"""One's own files: in class folders, or listed in a table."""

_OF_TABLES = ("table", "file", "label", "separator", "split", "group")


class FilesConfig(Frozen):
    """One's own files: their table, if they have one, and how they are split.

    A split that neither folders (`train`, `val`, `test`) nor the column `split` give is drawn from the training files, class by
    class, the same for every run. Files of one group, and files with the same content, are always in the same split.
    """

    table: str | None = None
    """A table (`.csv`, `.tsv` or `.parquet`) in the task's folder, whose rows name files below that folder."""
    file: str = "file"
    """The column with the path of each file."""
    label: str = "label"
    """The column with the label of each file, or with several where there is a `separator`."""
    separator: Annotated[str, Field(min_length=1, max_length=9)] | None = None
    """What stands between several labels of a file; only for tagging."""
    split: str | None = None
    """The column with the split of each file: train, val or test."""
    group: str | None = None
    """The column with the group of each file, such as a patient or a speaker."""
    group_until: Annotated[str, Field(min_length=1, max_length=9)] | None = None
    """In class folders, a file's group is its name up to the first such text: with `_`, `p017_03.png` is of the group p017."""
    val: Fraction = 0.15
    """The share of all files that become validation data, where those are not given."""
    test: Fraction = 0.15
    """The share of all files that become test data, where those are not given."""
    seed: Seed = 0
    """Seed of that draw."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.table is None:
            for key in _OF_TABLES[1:]:
                if getattr(self, key) != type(self).model_fields[key].default:
                    yield f"{key}: is for files that a table lists; set table, or remove this key"
        elif self.group_until is not None:
            yield "group_until: is for class folders; name the column of the groups in group"
        if self.val + self.test >= 1:
            yield f"val: {self.val:g} and test ({self.test:g}) leave nothing to train with; lower them"
        columns = [name for name in (self.file, self.label, self.split, self.group) if name is not None]
        if len(set(columns)) < len(columns):
            yield "label: two of file, label, split and group name the same column; each needs its own"

"""How many samples each split of a run has, how many were left out of its lists, and how many may be."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from m2pt.config import UserError
from m2pt.identity import RunSpec, canonical

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Counts:
    """One split as a run uses it: samples that are listed, those without a file, those that cannot be read.

    With held-out validation data, the training split's list is shared out between `train` and `val`.
    """

    listed: int
    absent: int = 0
    unreadable: int = 0

    @property
    def kept(self) -> int:
        """The samples that are left."""
        return self.listed - self.absent - self.unreadable

    @property
    def share(self) -> float:
        """The share of the list that is left out."""
        return (self.absent + self.unreadable) / self.listed if self.listed else 0.0

    def document(self) -> dict[str, int]:
        """As it stands in a record: `listed`, `kept`, `absent`, `unreadable`."""
        return asdict(self) | {"kept": self.kept}


def samples_sha256(spec: RunSpec, left_out: Mapping[str, Sequence[int]]) -> str:
    """Equal for runs that choose from, and are scored on, the very same samples: what the data hold, less what was left out.

    Args:
        spec: the run.
        left_out: by the data set's own split, the places in its list that were left out.

    """
    task = None if spec.task is None else [spec.task.dataset, spec.task.variant]
    places = {split: sorted(places) for split, places in left_out.items() if places}
    return sha256(canonical([spec.data_sha256, task, places]).encode()).hexdigest()


def require_enough(spec: RunSpec, counts: Mapping[str, Counts], left_out: Mapping[str, Sequence[str]]) -> None:
    """Refuse a run that would leave out more of a split than its task allows (`unreadable`, `max_unreadable`).

    Args:
        spec: the run, of a task.
        counts: by split, as far as they are known.
        left_out: by split, a sentence for each sample that is left out.

    Raises:
        UserError: naming the split, how much of it is left out, and the first such file.

    """
    key = f"tasks.{spec.target}"
    allowed = spec.task.max_unreadable if spec.task is not None else None
    for split, count in counts.items():
        if count.kept == count.listed or (allowed is not None and count.share <= allowed):
            continue
        found = f"{spec.name}: the {split} split lacks {said(count)}"
        first = f"the first is {' '.join(left_out[split][0].split()).rstrip('.')}"
        if allowed is None:
            raise UserError(f"{found}, {first}; restore the files, take them off the list, or set {key}.unreadable to skip.")
        raise UserError(f"{found}, more than {key}.max_unreadable ({allowed:g}) allows, {first}; restore the files, or raise it.")


def said(count: Counts) -> str:
    """What is left out of a split, for people: `18 of 24 samples (18 absent, 0 unreadable)`."""
    left = count.listed - count.kept
    return f"{left} of {count.listed} samples ({count.absent} absent, {count.unreadable} unreadable)"


def documents(counts: Mapping[str, Counts]) -> dict[str, Any]:
    """All splits as they stand in a record."""
    return {split: count.document() for split, count in counts.items()}

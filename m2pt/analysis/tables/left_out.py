"""What the runs of a study left out of their data, and which of them used different samples."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from m2pt.runs.record import FinetuneRecord

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "val", "test")

Records = Mapping[str, FinetuneRecord]
"""The records of complete runs by id (`m2pt.runs.table.read_results`)."""


@dataclass(frozen=True)
class SplitCounts:
    """One split of one target, as `runs` complete runs counted it."""

    target: str
    split: str
    listed: int
    kept: int
    absent: int
    unreadable: int
    runs: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return self.kept == self.listed

    @property
    def words(self) -> str:
        """In words: `test 6 of 24`."""
        return f"{self.split} {self.kept}" + ("" if self.is_whole else f" of {self.listed}")


def split_counts(table: "pd.DataFrame", records: Records) -> list[SplitCounts]:
    """Every split of every target, in the order of the table of runs; several rows if its runs counted differently."""
    runs: dict[tuple[str, str, int, int, int, int], int] = {}
    for target, record in complete_runs(table, records):
        for split in (split for split in SPLITS if split in record.samples):
            counts = record.samples[split]
            key = (target, split, counts.listed, counts.kept, counts.absent, counts.unreadable or 0)
            runs[key] = runs.get(key, 0) + 1
    targets = list(dict.fromkeys(key[0] for key in runs))
    ordered = sorted(runs, key=lambda key: (targets.index(key[0]), SPLITS.index(key[1])))
    return [SplitCounts(*key, runs[key]) for key in ordered]


def of_targets(counts: list[SplitCounts]) -> dict[str, str]:
    """The samples of each target in words: `train 8; test 6 of 24`."""
    splits: dict[str, list[str]] = {}
    for item in counts:
        splits.setdefault(item.target, []).append(item.words)
    return {target: "; ".join(words) for target, words in splits.items()}


class SamplesUsed(NamedTuple):
    """What a complete run used: its target, the digest of its samples (None in records of older code), and how many it tested."""

    target: str
    sha256: str | None
    tested: int

    @classmethod
    def of(cls, target: str, record: FinetuneRecord) -> Self:
        """As the record of the run says."""
        return cls(target, record.samples_sha256, record.test_samples)


def mixtures(complete: Iterable[SamplesUsed]) -> list[str]:
    """A sentence for each target whose complete runs did not all use the same samples."""
    digests: dict[str, dict[str, list[int]]] = {}
    for target, sha256, tested in complete:
        if sha256 is not None:
            digests.setdefault(target, {}).setdefault(sha256, []).append(tested)
    return [
        f"{target}: its runs did not all use the same samples ("
        + "; ".join(f"{len(tested)} {'run' if len(tested) == 1 else 'runs'} tested on {tested[0]}" for tested in sets.values())
        + "), so differences between them are not due to the methods alone."
        for target, sets in digests.items()
        if len(sets) > 1
    ]


def complete_runs(table: "pd.DataFrame", records: Records) -> Iterator[tuple[str, FinetuneRecord]]:
    """The target and the record of each complete run, in the order of the table."""
    for target, identifier in zip(table["target"], table["run_id"], strict=True):
        if (record := records.get(str(identifier))) is not None:
            yield str(target), record

"""The journal of looks: which results of a study were seen, with which seeds, and what that forbids.

Every rendering of a report is a look. A test of a fixed number of seeds keeps its error rate if that number was chosen once; if
seeds are added because of what a report showed, it does not. So a later report of the same question (`m2pt.runs.question`) with
other seeds makes no claim. Rendering the same results again is the same look, and changes nothing. All studies share a journal.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from m2pt.config import Frozen, Study, TrainedSource, UserError
from m2pt.files.access import unreadable
from m2pt.files.documents import write_atomic, written_under
from m2pt.files.leases import LeaseLostError, leased

LOOKS = "looks.jsonl"

Reach = tuple[tuple[str, ...], ...]
"""For each cell of a comparison, the names of the encoders that its runs reach."""

Pairs = tuple[tuple[int, int], ...]
"""The fine-tuning seed of each run of a question, with the place of its pretraining seeds among those of the encoders."""


class Look(Frozen):
    """One look at the results of a study."""

    date: str
    """When it was first looked at (UTC)."""
    study: str
    """The name of the study."""
    design: str
    """The design that was declared: `fixed`, or `sequential` with the planned number of seeds."""
    seeds: tuple[int, ...]
    """The fine-tuning seeds that were planned."""
    encoder_seeds: dict[str, tuple[int, ...]]
    """The pretraining seeds of each encoder that the cells reach; none for one from a file."""
    complete: dict[str, int]
    """How many runs of each cell were complete, by the cell's question."""
    combined: Annotated[Literal["paired", "crossed"] | None, Field(exclude_if=lambda way: way is None)] = None
    """How fine-tuning and pretraining seeds were combined, where encoders have several; lines of older versions do not say."""
    reached: Annotated[dict[str, Reach], Field(exclude_if=lambda reached: not reached)] = Field(default_factory=dict)
    """The encoders that each question reaches, cell by cell; lines of older versions do not say."""
    drawn: Annotated[dict[str, Pairs], Field(exclude_if=lambda drawn: not drawn)] = Field(default_factory=dict)
    """The seeds of the questions whose runs have others than the study as a whole, which a part may set."""

    def is_same(self, other: "Look") -> bool:
        """Whether both showed the same, on whatever date and under whatever name.

        An encoder that one of them does not know is none that its cells reach: those of both have the same questions.
        """
        known = self.encoder_seeds.keys() & other.encoder_seeds.keys()
        return (
            (self.design, self.seeds, self.complete, self.drawn) == (other.design, other.seeds, other.complete, other.drawn)
            and all(self.encoder_seeds[name] == other.encoder_seeds[name] for name in known)
            and bool(self._ways & other._ways)
        )

    def shares_draws(self, other: "Look", question: str) -> bool:
        """Whether a run of the question has a seed in common with the other look, and not only encoders that were trained anew.

        What is all fresh is a study of its own. A cell that reaches no encoder is fresh only with fresh seeds.
        """
        if not self._seeds(question) & other._seeds(question):
            return False
        return any(self._shares(other, names) for names in self._cells(other, question))

    def _shares(self, other: "Look", names: Collection[str]) -> bool:
        known = [name for name in names if name in self.encoder_seeds and name in other.encoder_seeds]
        both = [(set(self.encoder_seeds[name]), set(other.encoder_seeds[name])) for name in known]
        return not names or any(mine & theirs or not mine or not theirs for mine, theirs in both)

    def has_same_draws(self, other: "Look", question: str) -> bool:
        """Whether the runs of the question have the very same seeds in both, combined in the same way."""
        reached = {name for cell in self._cells(other, question) for name in cell}
        names = sorted(reached & self.encoder_seeds.keys() & other.encoder_seeds.keys())
        return any(self._draws(question, names, way) == other._draws(question, names, way) for way in self._ways & other._ways)

    def _cells(self, other: "Look", question: str) -> Reach:
        """What the cells of a question reach. Only what it is compared with may differ between two looks."""
        known = self.reached.get(question) or other.reached.get(question)
        return known or (tuple(self.encoder_seeds.keys() | other.encoder_seeds.keys()),)

    @property
    def _ways(self) -> set[Literal["paired", "crossed"]]:
        """How the seeds may have been combined."""
        return {"paired", "crossed"} if self.combined is None else {self.combined}

    def _seeds(self, question: str) -> set[int]:
        return {seed for seed, _ in self.drawn[question]} if question in self.drawn else set(self.seeds)

    def _draws(self, question: str, names: Sequence[str], way: Literal["paired", "crossed"]) -> set[tuple[int, tuple[int, ...]]]:
        """The fine-tuning seed of each run, with the pretraining seeds of these encoders."""
        each = [self.encoder_seeds[name] for name in names]
        count = max([1, *map(len, each)])
        pairs = self.drawn.get(question) or _pairs(self.seeds, count, way)
        return {(seed, tuple(seeds[place % len(seeds)] for seeds in each if seeds)) for seed, place in pairs}


def _pairs(seeds: Sequence[int], replicates: int, way: Literal["paired", "crossed"]) -> Pairs:
    places = range(replicates)
    return tuple(product(seeds, places) if way == "crossed" else zip(seeds, cycle(places), strict=False))


def look(
    study: Study,
    cells: Mapping[str, int],
    date: str,
    reached: Mapping[str, Reach] | None = None,
    drawn: Mapping[str, Collection[tuple[int, int]]] | None = None,
) -> Look:
    """A look at a study.

    Args:
        study: what was looked at.
        cells: how many runs of each question (`m2pt.runs.question.question`) are complete.
        date: the day of the look.
        reached: which encoders each question reaches (`m2pt.runs.question.reached`); without it, all of the study.
        drawn: the seed and the replicate of each planned run of each question; without it, those of the study as a whole.

    """
    design, named = study.design, {name for cells_of in (reached or {}).values() for cell in cells_of for name in cell}
    seeds = encoder_seeds(study)
    whole = set(_pairs(study.sweep.seeds, study.replicates or 1, study.sweep.encoder_seeds))
    return Look(
        date=date,
        study=study.study,
        design=design.seeds if design.planned is None else f"{design.seeds} {design.planned}",
        seeds=study.sweep.seeds,
        encoder_seeds=seeds if reached is None else {name: seeds[name] for name in seeds if name in named},
        complete=dict(sorted(cells.items())),
        combined=study.sweep.encoder_seeds if study.replicates else None,
        reached=dict(sorted((reached or {}).items())),
        drawn={name: tuple(sorted(pairs)) for name, pairs in sorted((drawn or {}).items()) if set(pairs) != whole},
    )


def encoder_seeds(study: Study) -> dict[str, tuple[int, ...]]:
    """The pretraining seeds of each encoder of a study, by its name; none for one that exists already."""
    return {
        name: (source.seeds or (source.seed,)) if isinstance(source, TrainedSource) else ()
        for name, source in study.encoders.items()
    }


def renamed(looks: Sequence[Look], former: Mapping[str, str]) -> list[Look]:
    """Looks with the present names of questions; `former` has the name of each in lines that older versions wrote."""
    present = {old: name for name, old in former.items()}
    return [
        item.model_copy(update={"complete": {present.get(name, name): count for name, count in item.complete.items()}})
        for item in looks
    ]


def read_looks(path: Path) -> list[Look]:
    """The looks in a journal, oldest first; none if there is no journal.

    Raises:
        UserError: the file cannot be read; the line is named.

    """
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise unreadable(path, error) from error
    return [_look(line, path, number) for number, line in enumerate(lines, 1) if line]


def _look(line: bytes, path: Path, number: int) -> Look:
    try:
        return Look.model_validate_json(line)
    except ValidationError as error:
        raise UserError(
            f"{path}: line {number} is damaged, so it is not known which results were seen before; restore the file from a copy, "
            "or delete the line if these results were never looked at with other seeds."
        ) from error


def add_look(path: Path, new: Look, former: Mapping[str, str] | None = None) -> None:
    """Append a look to a journal, atomically; one that is there already is not added again.

    `former` has the names of its questions in lines that older versions wrote.

    Raises:
        UserError: the journal cannot be read or written.

    """
    try:
        with leased(path.with_name(f".{path.name}.lease")) as lease, written_under(lease, [path]):
            known = read_looks(path)
            if not any(new.is_same(other) for other in renamed(known, former or {})):
                write_atomic(path, b"".join(item.model_dump_json().encode() + b"\n" for item in [*known, new]))
    except LeaseLostError:  # this process was frozen; others may have looked meanwhile
        add_look(path, new, former)


def objection(now: Look, looks: Sequence[Look]) -> Look | None:
    """The first look that forbids claims now: at one of the same questions, with other seeds that are not all fresh.

    Looks count up to the first one with the seeds and the design of now: what was chosen first may be reproduced afterwards.
    In a sequential design other seeds are allowed, but not looks in another design.
    """
    forbidding = [index for name in now.complete if (index := _first(now, looks, name)) is not None]
    return looks[min(forbidding)] if forbidding else None


def _first(now: Look, looks: Sequence[Look], name: str) -> int | None:
    """The place of the first look that forbids claims about one question."""
    for index, other in enumerate(looks):
        if name not in other.complete:
            continue
        same = now.has_same_draws(other, name)
        if same and now.design == other.design:
            return None
        allowed = same if now.design == "fixed" else now.design == other.design
        if not allowed and other.complete[name] and now.shares_draws(other, name):
            return index
    return None

"""The journal of looks: which results of a study were seen, with which seeds, and what that forbids.

Every rendering of a report is a look. A test of a fixed number of seeds keeps its error rate if that number was chosen once; if
seeds are added because of what a report showed, it does not. So a later report of the same question with other seeds makes no
claim. Rendering the same results again is the same look, and changes nothing.

A question is what a cell compares: everything in its spec but the draws, i.e. the fine-tuning seed and the encoders' pretraining
seeds. It does not depend on the name of the study, nor on which other cells the study has, so the journal serves all studies.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m2pt.config import FileSource, Frozen, Study, UserError
from m2pt.files.documents import write_atomic
from m2pt.files.locks import locked
from m2pt.runs.identity import RECIPE_VERSION, canonical
from m2pt.runs.spec import RunSpec

LOOKS = "looks.jsonl"

ENOUGH = 2
"""So many complete seeds of a cell show whether it differs; fewer show nothing that more seeds could be added for."""


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
    """The pretraining seeds of each encoder that is trained here; none for one from a file."""
    complete: dict[str, int]
    """How many seeds of each cell were complete, by the cell's question."""

    def is_same(self, other: "Look") -> bool:
        """Whether both showed the same, on whatever date and under whatever name."""
        return self.model_copy(update={"date": other.date, "study": other.study}) == other

    def shares_draws(self, other: "Look") -> bool:
        """Whether both have a seed in common and no encoder was trained anew: what is all fresh is a study of its own."""
        if not set(self.seeds) & set(other.seeds):
            return False
        names = self.encoder_seeds.keys() | other.encoder_seeds.keys()
        both = [(set(self.encoder_seeds.get(name, ())), set(other.encoder_seeds.get(name, ()))) for name in names]
        return not names or any(mine & theirs or not mine or not theirs for mine, theirs in both)

    def has_same_draws(self, other: "Look") -> bool:
        """Whether both have the very same seeds."""
        of_encoders = {name: set(seeds) for name, seeds in self.encoder_seeds.items()}
        return set(self.seeds) == set(other.seeds) and of_encoders == {
            name: set(seeds) for name, seeds in other.encoder_seeds.items()
        }


def look(study: Study, cells: Mapping[str, int], date: str) -> Look:
    """A look at a study; `cells` has how many seeds of each question (`question`) are complete."""
    design = study.design
    return Look(
        date=date,
        study=study.study,
        design=design.seeds if design.planned is None else f"{design.seeds} {design.planned}",
        seeds=study.sweep.seeds,
        encoder_seeds=encoder_seeds(study),
        complete=dict(sorted(cells.items())),
    )


def encoder_seeds(study: Study) -> dict[str, tuple[int, ...]]:
    """The pretraining seeds of each encoder of a study, by its name; none for one that comes from a file."""
    made = {name: source.model_dump(mode="json") for name, source in study.encoders.items()}
    return {
        name: tuple(source.get("seeds") or [source["seed"]] if "paths" not in source else ()) for name, source in made.items()
    }


def question(study: Study, spec: RunSpec) -> str:
    """What a run asks, apart from its draws: the same for all runs of a cell, however many seeds there are."""
    form = _without_draws(spec.model_dump(mode="json"), study)
    made = {name: _recipe(source.model_dump(mode="json")) for name, source in study.encoders.items()}
    document = {"version": RECIPE_VERSION, "spec": form, "encoders": made, "pretrain": study.pretrain.model_dump(mode="json")}
    digest = hashlib.sha256(canonical(document).encode()).hexdigest()[:8]
    origin = f"{spec.target}-from-{spec.auxiliary}" if spec.auxiliary else spec.target
    return f"{origin}-{spec.method}-{spec.setting}-{spec.tuning}-{digest}"


def _recipe(source: dict[str, Any]) -> dict[str, Any]:
    """How an encoder is made, whatever its seed and wherever its files are."""
    return {key: value for key, value in source.items() if key not in ("seed", "seeds", "paths")}


def _without_draws(form: Any, study: Study) -> Any:
    """A spec without seeds, and without the content of weights that follow from a seed."""
    if isinstance(form, list):
        return [_without_draws(item, study) for item in form]
    if not isinstance(form, dict):
        return form
    drawn = {"seed", "replicate"}
    if "sha256" in form and not isinstance(study.encoders.get(form.get("source", "")), FileSource):
        drawn.add("sha256")
    return {key: _without_draws(value, study) for key, value in form.items() if key not in drawn}


def read_looks(path: Path) -> list[Look]:
    """The looks in a journal, oldest first; none if there is no journal.

    Raises:
        UserError: the file cannot be read; the line is named.

    """
    try:
        lines = path.read_bytes().splitlines() if path.is_file() else []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); fix its permissions.") from error
    return [_look(line, path, number) for number, line in enumerate(lines, 1) if line]


def _look(line: bytes, path: Path, number: int) -> Look:
    try:
        return Look.model_validate_json(line)
    except ValidationError as error:
        raise UserError(
            f"{path}: line {number} is damaged, so it is not known which results were seen before; restore the file from a copy, "
            "or delete the line if these results were never looked at with other seeds."
        ) from error


def add_look(path: Path, new: Look) -> None:
    """Append a look to a journal, atomically; one that is there already is not added again.

    Raises:
        UserError: the journal cannot be read or written.

    """
    with locked(path.with_name(f".{path.name}.lock")):
        known = read_looks(path)
        if not any(new.is_same(other) for other in known):
            write_atomic(path, b"".join(item.model_dump_json().encode() + b"\n" for item in [*known, new]))


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
        same = now.has_same_draws(other)
        if same and now.design == other.design:
            return None
        allowed = same if now.design == "fixed" else now.design == other.design
        if not allowed and other.complete[name] >= ENOUGH and now.shares_draws(other):
            return index
    return None

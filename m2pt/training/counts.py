"""How many samples each split of a run has, how many of the listed ones were left out, and how many may be."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic import JsonValue

from m2pt.config import UserError
from m2pt.runs.identity import canonical
from m2pt.runs.record import Counts
from m2pt.runs.spec import RunSpec


def samples_sha256(spec: RunSpec, left_out: Mapping[str, Sequence[int]]) -> str:
    """Equal for runs that draw from, and are scored on, exactly the same samples: the data without what was left out.

    Args:
        spec: the run.
        left_out: for each split of the data set, the indices in its list that were left out.

    """
    task: list[JsonValue] | None = None if spec.task is None else [spec.task.dataset, spec.task.variant]
    if task is not None and spec.task is not None and spec.task.files is not None:  # which decide what is in which split
        task.append(spec.task.files.model_dump(mode="json"))
    places = {split: sorted(places) for split, places in left_out.items() if places}
    return sha256(canonical([spec.data_sha256, task, places]).encode()).hexdigest()


def refusal(spec: RunSpec, counts: Mapping[str, Counts]) -> tuple[str, str] | None:
    """The first split that lacks more than its task allows (`unreadable`, `max_unreadable`), and why; None if no split does."""
    key = f"tasks.{spec.target}"
    allowed = spec.task.max_unreadable if spec.task is not None else None
    for split, count in counts.items():
        if count.left_out and (allowed is None or count.left_out / count.listed > allowed):
            limit = f"{key}.unreadable (fail)" if allowed is None else f"{key}.max_unreadable ({allowed:g})"
            return split, f"the {split} split lacks {count.words}, more than {limit} allows"
    return None


def require_enough(spec: RunSpec, counts: Mapping[str, Counts], left_out: Mapping[str, Sequence[str]]) -> None:
    """Refuse a run that would leave out more of a split than its task allows.

    Args:
        spec: the run, of a task.
        counts: by split, as far as they are known.
        left_out: by split, a sentence for each sample that is left out.

    Raises:
        UserError: more is left out; the message names the split, how much of it is left out, and the first such file.

    """
    if refused := refusal(spec, counts):
        split, why = refused
        first = " ".join(left_out[split][0].split()).rstrip(".")
        way = (
            "restore the files or raise it" if spec.task and spec.task.unreadable == "skip" else "restore the files, or skip them"
        )
        raise UserError(f"{spec.name}: {why}, the first is {first}; {way}.")


def documents(counts: Mapping[str, Counts]) -> dict[str, Any]:
    """All splits in the form in which a record keeps them."""
    return {split: count.model_dump(mode="json") for split, count in counts.items()}

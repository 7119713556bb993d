"""What the model of a run goes on from: the weights that it was trained from, and those that these were trained from."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.documents import read_json
from m2pt.runs.folder import INPUTS, RECORD, SPEC


@dataclass(frozen=True)
class Ancestry:
    """The SHA-256 of a model and of all weights that it goes on from, as far as runs tell.

    `is_whole` if they tell all: each of these weights was made by a run whose folder is there.
    """

    weights: frozenset[str]
    is_whole: bool


@functools.lru_cache(maxsize=1024)  # a finished run does not change
def ancestry(folder: Path) -> Ancestry:
    """The ancestry of a finished run's model. What is not there, or cannot be read, is not known."""
    weights, is_whole = set[str](), True
    left, seen = [folder], set[Path]()
    while left:
        run = left.pop()
        if run in seen:
            continue
        seen.add(run)
        try:
            spec, files = read_json(run / SPEC, "").get("spec"), read_json(run / RECORD, "").get("files")
            inputs = read_json(run / INPUTS, "") if (run / INPUTS).is_file() else {}
        except UserError:
            is_whole = False
            continue
        weights |= {str(sha256) for name, sha256 in (files or {}).items() if name.endswith(".safetensors")}
        for reference, path in _starts(spec if isinstance(spec, dict) else {}, inputs):
            weights.add(str(reference.get("sha256")))
            if path is None or not (Path(path).parent / RECORD).is_file():
                is_whole = False
            else:
                left.append(Path(path).parent)
    return Ancestry(frozenset(weights), is_whole)


def _starts(spec: dict[str, Any], inputs: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The weights that a run started from, or added, each with its path on the machine that did the run."""
    beside = tuple(inputs.get("auxiliary_weights") or ())
    more = [spec.get("auxiliary_weights"), *(spec.get("more_weights") or ())]
    paths = [inputs.get("start_weights"), inputs.get("target_weights"), *beside, *[None] * (len(more) - len(beside))]
    for reference, path in zip([spec.get("start"), spec.get("target_weights"), *more], paths, strict=False):
        if isinstance(reference, dict):
            yield reference, path

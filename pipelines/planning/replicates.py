"""What it costs to pair or to cross the pretraining seeds of a study's encoders with its fine-tuning seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from m2pt.config import GivenSource, Study
from m2pt.runs.identity import form_without_draw
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import DECLARED
from pipelines.planning.grid import draws_of, encoders_used

Way = Literal["paired", "crossed"]
WAYS: tuple[Way, ...] = ("paired", "crossed")


@dataclass(frozen=True)
class WayCosts:
    """How many encoders are pretrained here and how many runs are compared, if seeds are combined in one `way`.

    Both are None where the seeds of a part cannot be paired evenly. `is_declared`: whether all parts of the study are so.
    """

    way: Way
    is_declared: bool
    pretrainings: int | None
    runs: int | None


def costs(study: Study, made: Mapping[str, Sequence[RunSpec]]) -> list[WayCosts]:
    """Both ways, the paired one first; empty for a study whose encoders have one seed each. Trials are not counted.

    `made` are the runs of each part, or of the values that a study with a search declares.
    """
    if study.replicates is None:
        return []
    parts = list(study.expanded().values())
    cells = [_cells(part, made[DECLARED if study.search else name]) for name, part in study.expanded().items()]
    costs = []
    for way in WAYS:
        declared = all(part.sweep.encoder_seeds == way for part in parts)
        uneven = way == "paired" and any(len(part.sweep.seeds) % study.replicates for part in parts)
        costs.append(WayCosts(way, declared, None, None) if uneven else _costs(study, parts, cells, way, declared))
    return costs


def _costs(study: Study, parts: list[Study], cells: list[list[str]], way: Way, declared: bool) -> WayCosts:
    combined = [part.model_copy(update={"sweep": part.sweep.model_copy(update={"encoder_seeds": way})}) for part in parts]
    encoders = {key for part in combined for key in encoders_used(part)}
    trained = [key for key in encoders if not isinstance(study.encoders[key.source], GivenSource)]
    runs: dict[str, set[tuple[int, int | None]]] = {}  # the draws of each cell, which several parts may share
    for part, members in zip(combined, cells, strict=True):
        for cell in members:
            runs.setdefault(cell, set()).update(draws_of(part))
    return WayCosts(way, declared, len(trained), sum(map(len, runs.values())))


def _cells(part: Study, specs: Sequence[RunSpec]) -> list[str]:
    """What the runs of a part are, apart from their draws: as many as it has runs for one seed and replicate."""
    first = draws_of(part)[0]
    return [form_without_draw(spec) for spec in specs if (spec.seed, spec.replicate) == first]

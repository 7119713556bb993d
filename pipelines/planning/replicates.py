"""What it costs to pair or to cross the pretraining seeds of a study's encoders with its fine-tuning seeds."""

from dataclasses import dataclass
from typing import Literal

from m2pt.config import FileSource, Study
from pipelines.planning.grid import Fingerprints, distinct, encoders_used, part_specs

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


def costs(study: Study, prints: Fingerprints) -> list[WayCosts]:
    """Both ways, the paired one first; empty for a study whose encoders have one seed each. Trials are not counted."""
    if study.replicates is None:
        return []
    parts = list(study.expanded().values())
    made = []
    for way in WAYS:
        declared = all(part.sweep.encoder_seeds == way for part in parts)
        uneven = way == "paired" and any(len(part.sweep.seeds) % study.replicates for part in parts)
        made.append(WayCosts(way, declared, None, None) if uneven else _costs(study, parts, prints, way, declared))
    return made


def _costs(study: Study, parts: list[Study], prints: Fingerprints, way: Way, declared: bool) -> WayCosts:
    combined = [part.model_copy(update={"sweep": part.sweep.model_copy(update={"encoder_seeds": way})}) for part in parts]
    encoders = {key for part in combined for key in encoders_used(part)}
    trained = [key for key in encoders if not isinstance(study.encoders[key.source], FileSource)]
    runs = distinct([spec for part in combined for specs in part_specs(part, prints).values() for spec in specs])
    return WayCosts(way, declared, len(trained), len(runs))

"""Whether a run is the paper's: the same recipe, size and data. It lists what differs, and what its recipe itself leaves out.

A published score can be compared with ours only if both are of the same run. So it is shown next to ours if nothing differs
(`Sameness.differs` is empty). What a recipe knowingly does differently from the release is the same for all runs that follow it,
and is said next to the score (`Sameness.departs`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from pydantic import JsonValue

from m2pt.analysis.paper.departures import departures
from m2pt.config import RANDOM, Dataset, GivenSource, Study, Tuning
from m2pt.methods import METHODS, unread
from m2pt.modalities.recipe import VIT_B
from m2pt.modalities.registry import SPECS, dataset_facts
from m2pt.runs.record import Counts, FinetuneRecord
from m2pt.runs.spec import RunSpec, WeightsRef
from m2pt.runs.unread import is_unread

RECIPES: dict[tuple[Dataset, Tuning], str] = {
    ("imagenet", "full"): "mae-finetune",
    ("imagenet", "fix"): "mae-linear-probe",
    ("ade20k", "full"): "mae-ade20k",
    ("coco", "full"): "vitdet-coco",
    ("audioset", "full"): "audiomae-audioset-20k",
    ("shapenetpart", "full"): "point-mae-shapenetpart",
    ("partnet", "full"): "point-mae-partnet",
    ("kinetics", "full"): "videomae-kinetics400",
}
"""The recipe of each data set and tuning that the paper scores."""

VARIANTS: dict[Dataset, str] = {"shapenetpart": "trainval"}
"""Where the paper trains on another variant than that without a name: on training and validation splits together."""

OF_NUMBERS = ("finetune.precision", "finetune.compiled")
"""Keys that say how numbers are computed, not which: other values are departures, not another recipe."""

EPOCHS = 300
"""How long the encoders of the paper's main tables were pretrained."""

SHOWN = 3
"""How many points are listed in a cell; the rest is counted, and listed in `published.csv` and by `m2pt plan --json`."""


@dataclass(frozen=True)
class Sameness:
    """How runs differ from the paper's (`differs`), and what their recipes do differently from the release (`departs`).

    Each is a key with its value here and the paper's in brackets, or a sentence.
    """

    differs: tuple[str, ...] = ()
    departs: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What differs, in a few words; empty where nothing does."""
        return shortened(self.differs)

    @property
    def departing(self) -> str:
        """What the recipe departs in, in a few words (keys by their last name); empty where it does not."""
        keys = [point.partition(":")[0].rpartition(".")[2] for point in self.departs if _is_keyed(point)]
        more = len(self.departs) - len(keys)
        words = [", ".join(dict.fromkeys(keys)), f"{more} more point{'s' if more > 1 else ''}" if more else ""]
        return " and ".join(filter(None, words))

    def joined(self, other: "Sameness") -> "Sameness":
        """The sameness of both sets of runs together."""
        differs, departs = ((*mine, *theirs) for mine, theirs in ((self.differs, other.differs), (self.departs, other.departs)))
        return Sameness(tuple(dict.fromkeys(differs)), tuple(dict.fromkeys(departs)))


NOTHING_DIFFERS = Sameness()


def _is_keyed(point: str) -> bool:
    """Whether a departure is a key of a run's spec with its values, not a sentence."""
    return point.split(".")[0] in ("input", "finetune", "model", "pathway")


def shortened(points: Sequence[str]) -> str:
    """Several points in one line: the first of them, and how many more there are."""
    more = len(points) - SHOWN
    return "; ".join(points[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def made_here(study: Study) -> frozenset[str]:
    """The sources of encoders that are no files: their weights are not the published ones."""
    return frozenset(name for name, source in study.encoders.items() if not isinstance(source, GivenSource))


@dataclass(frozen=True)
class KnownSamples:
    """What is known of the samples of a run: `counts` by split and the names of its `classes`; both are empty if nothing is."""

    counts: Mapping[str, Counts] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: FinetuneRecord | None) -> Self:
        """The samples of a complete run; nothing is known if there is no record."""
        return cls() if record is None else cls(record.samples, record.classes)


def sameness(
    spec: RunSpec, samples: KnownSamples, made: frozenset[str] = frozenset(), epochs: Mapping[str, int] | None = None
) -> Sameness:
    """Compare a run on a published data set with the paper's.

    Args:
        spec: the run.
        samples: what is known of its samples.
        made: the sources of encoders that were trained here (`made_here`).
        epochs: for how long the encoders of a source were pretrained, where the study says so.

    """
    if spec.task is None:
        return Sameness(("another data set",))
    recipe = SPECS[spec.modality].recipes[spec.task.recipe]
    wanted = RECIPES.get((spec.task.dataset, spec.tuning))
    differs = [] if spec.task.recipe == wanted else [f"recipe: {spec.task.recipe} [{wanted}]"]
    declared: dict[str, JsonValue] = {
        "input": recipe.input.model_dump(mode="json"),
        "finetune": recipe.finetune.model_dump(mode="json"),
        "model": VIT_B.model_dump(mode="json"),
        "pathway": {"auxiliary_decay": False, "scale_layer_decay": False},  # known departures, said where the recipe is
    }
    run, reasons, departs = spec.model_dump(mode="json"), unread(spec), []
    of_recipe = departures(spec)
    for point in (*of_recipe.always, *of_recipe.joined):
        key = point.partition(":")[0]
        if not _is_keyed(point):
            departs.append(point)
        elif is_unread(key, reasons) is None:
            own = _same(_at(run, key), _at(declared, key))
            (departs if own or key in OF_NUMBERS else differs).append(point)
    return Sameness((*differs, *_weights(spec, made, epochs or {}), *_data(spec, samples)), tuple(departs))


def _at(document: JsonValue, key: str) -> JsonValue:
    for step in key.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _same(one: JsonValue, other: JsonValue) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _weights(spec: RunSpec, made: frozenset[str], epochs: Mapping[str, int]) -> Iterator[str]:
    """Encoders that are not the published ones; auxiliaries of other epochs are Table 6, and cells of their own."""
    if spec.target_weights is not None and (count := epochs.get(spec.target_weights.source, EPOCHS)) != EPOCHS:
        yield f"target encoder: {spec.target_weights.source}, of {count} epochs [published]"
    if spec.setting == "pretrained" and spec.target_weights is None:
        yield f"target encoder: {RANDOM} [published]"
    refs = [("target", spec.target_weights), *(("auxiliary", ref) for ref in spec.auxiliary_refs)]
    for role, ref in refs:
        if isinstance(ref, WeightsRef) and ref.source in made:
            yield f"{role} encoder: {ref.source}, trained here [published]"
    if METHODS[spec.method].takes in ("each", "own") and spec.auxiliary_weights is None:
        yield f"auxiliary encoder: {RANDOM} [published]"


def _data(spec: RunSpec, samples: KnownSamples) -> Iterator[str]:
    """Data that are not the complete published splits, as far as is known."""
    if spec.task is None:
        return
    wanted_variant = VARIANTS.get(spec.task.dataset)
    if wanted_variant is not None and spec.task.variant != wanted_variant:
        yield f"variant: {spec.task.variant or 'none'} [{wanted_variant}]"
    if spec.task.holdout:
        yield f"{spec.task.holdout:.0%} of the training samples held out [none]"
    facts = dataset_facts(spec.task.dataset, spec.task.variant)
    left = {split: count.left_out for split, count in samples.counts.items()}
    kept = {split: count.kept for split, count in samples.counts.items()}
    if spec.task.holdout:
        kept["train"] = kept.get("train", 0) + kept.get("val", 0)
    for split, name in (("train", "training"), ("test", "test")):
        wanted = getattr(facts, split) if facts else None
        if split in samples.counts and (left[split] or (wanted is not None and kept[split] != wanted)):
            lacking = f", {left[split]:,} left out" if left[split] else ""
            yield f"{kept[split]:,} {name} samples{lacking} [{f'{wanted:,}' if wanted is not None else 'all'}]"
    classes = samples.classes
    if facts and classes and spec.goal in ("classification", "tagging") and len(classes) != facts.classes:
        yield f"{len(classes):,} classes [{facts.classes:,}]"

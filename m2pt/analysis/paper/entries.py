"""The entries of the paper's tables with our scores next to the published ones; what either side lacks stays missing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import get_args

import pandas as pd

from m2pt.analysis.numbers.statistics import Estimate, estimate
from m2pt.analysis.paper.sameness import EPOCHS, NOTHING_DIFFERS, KnownSamples, Sameness, made_here, sameness
from m2pt.analysis.paper.scores import (
    ABLATION_AUXILIARIES,
    DATASETS_BY_NAME,
    SECOND,
    Metric,
    ablation_score,
    published_entries,
    published_score,
)
from m2pt.config import (
    LAYERS,
    RANDOM,
    Dataset,
    FileSource,
    MethodName,
    PathwayConfig,
    Setting,
    Study,
    Tuning,
    refuses_unknown,
)
from m2pt.config.base import BUILT_IN_MODALITIES
from m2pt.methods import METHODS
from m2pt.runs.spec import RunSpec, without_draw

COLUMNS = (
    "dataset", "metric", "setting", "tuning", "auxiliary", "variation", "published", "mean", "low", "high", "seeds", "difference",
    "differs", "departures",
)  # fmt: skip
"""The columns of the table, in order; scores in percent, `difference` (ours less theirs) in percentage points.

`published` and `difference` are empty where our runs differ from the paper's: `differs` says how, with the paper's score.
`departures` are those of the recipe from its release.
"""

SCORED_VARIANTS: dict[Dataset, tuple[str | None, ...]] = {
    "audioset": (None, "balanced"),
    "shapenetpart": (None, "trainval"),
    "partnet": (None, "3"),
}
"""The variants of a data set that the paper scores, where they have names."""


IN_THE_PAPER: tuple[MethodName, ...] = (
    "baseline", "pathway", "random_auxiliary", "own_apart",
    "reversed_order", "shuffled_order", "fixed_scale", "frozen_auxiliary",
)  # fmt: skip
"""The methods that the paper has, or would have under its own names: the pathway with another auxiliary or other settings."""


@dataclass(frozen=True)
class Variation:
    """How an entry differs from the paper's method: its pathway, and for how many epochs its auxiliary was pretrained."""

    pathway: PathwayConfig
    auxiliary_epochs: int = EPOCHS

    @property
    def label(self) -> str:
        """In words; empty for the paper's method itself."""
        said = []
        if set(self.pathway.layers) != set(LAYERS):
            said.append(f"only {', '.join(self.pathway.layers)}")
        if self.pathway.scale_init or not self.pathway.scale_trainable:
            said.append(f"scale {'from' if self.pathway.scale_trainable else 'fixed at'} {self.pathway.scale_init:g}")
        if self.pathway.order != "normal":
            said.append(f"{self.pathway.order} blocks")
        if self.pathway.granularity != "layer":
            said.append(f"one scale per {self.pathway.granularity}")
        if not self.pathway.auxiliary_trainable:
            said.append("frozen auxiliary")
        if self.auxiliary_epochs != EPOCHS:
            said.append(f"auxiliary of {self.auxiliary_epochs} epochs")
        return "; ".join(said)


@dataclass(frozen=True)
class PaperEntry:
    """An entry of the paper's tables, or what would be one: what a score was measured for.

    `auxiliary` is a modality, `random`, or "" for none; `variation` is None for the paper's method itself.
    """

    dataset: Dataset
    metric: Metric
    setting: Setting
    tuning: Tuning
    auxiliary: str
    variation: Variation | None = None

    @property
    def label(self) -> str:
        """How the entry differs from the paper's method; empty where it does not."""
        return self.variation.label if self.variation else ""

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for entries that the paper would not distinguish."""
        return self.dataset, self.metric, self.setting, self.tuning, self.auxiliary, self.label

    @property
    def published(self) -> float | None:
        """The paper's score in percent, None where it has none."""
        if not self.label or self.variation is None:
            return published_score(self.dataset, self.metric, self.setting, self.tuning, self.auxiliary)
        if (self.setting, self.tuning, self.auxiliary) != ("pretrained", "full", ABLATION_AUXILIARIES.get(self.dataset)):
            return None
        return ablation_score(self.dataset, self.metric, self.variation.pathway, self.variation.auxiliary_epochs)


@dataclass(frozen=True)
class Row:
    """A line of the table: the entry, the paper's score, and ours over seeds (`ours.n` is 0 where none is complete).

    `same` says whether our runs are the paper's; where there are none of ours, nothing differs.
    """

    entry: PaperEntry
    published: float | None
    ours: Estimate
    same: Sameness = NOTHING_DIFFERS

    @property
    def comparable(self) -> float | None:
        """The paper's score where it can be compared with ours; None where it has none, or is of another run."""
        return None if self.same.differs else self.published

    @property
    def difference(self) -> float | None:
        """Ours less theirs, in percentage points; None where one is missing, or the paper's is of another run."""
        return None if self.comparable is None or self.ours.mean is None else self.ours.mean - self.comparable

    @property
    def theirs(self) -> str:
        """The paper's side in words: its score, or how its run differs from ours; and what the recipe departs in."""
        return told(self.published, self.same)


def told(published: float | None, same: Sameness) -> str:
    """The paper's side of an entry in words."""
    if published is None:
        return "not in the paper"
    if same.differs:
        return f"the paper's {published:g} is of another run: {same.words}"
    return f"paper {published:g}" + (f" (recipe departs in {same.departing})" if same.departs else "")


def auxiliary_epochs(study: Study) -> dict[str, int]:
    """How many epochs the encoders of each source were pretrained for, where the study says so."""
    return {name: source.epochs for name, source in study.encoders.items() if isinstance(source, FileSource) and source.epochs}


def beside(measured: Mapping[PaperEntry, Estimate], same: Mapping[PaperEntry, Sameness] | None = None) -> list[Row]:
    """One row for each entry that was planned here or that Tables 1 to 4 have for a data set of ours, in the paper's order.

    `same` says of our entries whether they are the paper's (`sameness_of`).
    """
    datasets = {entry.dataset for entry in measured}
    ours = dict(measured)
    known = {entry.key for entry in ours}
    for dataset, metric, setting, tuning, auxiliary in published_entries():
        entry = PaperEntry(dataset, metric, setting, tuning, auxiliary)
        if dataset in datasets and entry.key not in known:
            ours[entry] = Estimate(0)
    known_same = same or {}
    return [Row(entry, entry.published, ours[entry], known_same.get(entry, Sameness())) for entry in sorted(ours, key=_rank)]


def sameness_of(specs: Sequence[RunSpec], samples: Sequence[KnownSamples], study: Study) -> dict[PaperEntry, Sameness]:
    """Whether the runs of each entry are the paper's, all of them; `samples` are theirs."""
    same: dict[PaperEntry, Sameness] = {}
    epochs, made = auxiliary_epochs(study), made_here(study)
    for spec, known in zip(specs, samples, strict=True):
        if (entry := entry_if_scored(spec, epochs)) is not None:
            same[entry] = same.get(entry, Sameness()).joined(sameness(spec, known, made, epochs))
    return same | {replace(entry, metric=SECOND[entry.metric]): of for entry, of in same.items() if entry.metric in SECOND}


def entries_of(
    specs: Sequence[RunSpec], scores: Sequence[float | None], auxiliary_epochs: Mapping[str, int] | None = None
) -> dict[PaperEntry, Estimate]:
    """The test scores of a study by entry, of the methods `IN_THE_PAPER` alone.

    Runs on no published data set, or on another variant than the paper's, are left out. So is what differs from the first runs
    of an entry by more than its seed (another part of the study changes their recipe): an entry never mixes two ways to train.

    Args:
        specs: the planned runs.
        scores: the main test score of each in percent, in the same order; None or NaN where a run is not complete.
        auxiliary_epochs: for how long the encoders of a source were pretrained, where it differs from the paper's `EPOCHS`.

    """
    of_entries: dict[PaperEntry, list[float | None]] = {}
    forms: dict[PaperEntry, RunSpec] = {}
    for spec, score in zip(specs, scores, strict=True):
        if (entry := entry_if_scored(spec, auxiliary_epochs)) is not None:
            form = without_draw(spec)
            if forms.setdefault(entry, form) == form:
                of_entries.setdefault(entry, []).append(score)
    return {
        entry: estimate([score for score in known if score is not None and pd.notna(score)], len(known))
        for entry, known in of_entries.items()
    }


def entry_if_scored(spec: RunSpec, auxiliary_epochs: Mapping[str, int] | None = None) -> PaperEntry | None:
    """The entry of a run where the paper has, or would have, one (`entries_of`); None where it has none."""
    if spec.task is None or spec.method not in IN_THE_PAPER or spec.task.dataset not in DATASETS_BY_NAME.values():
        return None
    loaded = METHODS[spec.method].takes in ("nothing", "random") or spec.auxiliary_weights is not None
    if not loaded or spec.task.variant not in SCORED_VARIANTS.get(spec.task.dataset, (None,)):
        return None
    return entry_of(spec, spec.task.dataset, auxiliary_epochs)


def published_of(specs: Sequence[RunSpec], samples: Sequence[KnownSamples], study: Study) -> list[float | None]:
    """The paper's score of each run's entry in percent, None where it has none or is of another run."""
    epochs, made = auxiliary_epochs(study), made_here(study)
    return [
        entry.published if (entry := entry_if_scored(spec, epochs)) and not sameness(spec, known, made, epochs).differs else None
        for spec, known in zip(specs, samples, strict=True)
    ]


@refuses_unknown
def entry_of(spec: RunSpec, dataset: Dataset, auxiliary_epochs: Mapping[str, int] | None = None) -> PaperEntry:
    """The entry of a run on a published data set; `auxiliary_epochs` as in `entries_of`."""
    metric = next(name for name in get_args(Metric) if name == spec.metric)
    source = spec.auxiliary_weights.source if spec.auxiliary_weights else ""
    variation = Variation(spec.pathway, (auxiliary_epochs or {}).get(source, EPOCHS)) if spec.pathway else None
    return PaperEntry(
        dataset, metric, spec.setting, spec.tuning, spec.auxiliary, variation if variation and variation.label else None
    )


def with_second_scores(
    measured: Mapping[PaperEntry, Estimate],
    specs: Sequence[RunSpec],
    scores: Sequence[Mapping[str, float]],
    epochs: Mapping[str, int],
) -> dict[PaperEntry, Estimate]:
    """The entries together with those of the second score that some have (`SECOND`); `scores` are all of each run."""
    two = [(spec, of.get(SECOND[main])) for spec, of in zip(specs, scores, strict=True) for main in SECOND if main == spec.metric]
    second = entries_of([spec for spec, _ in two], [score for _, score in two], epochs)
    return {**measured, **{replace(entry, metric=SECOND[entry.metric]): value for entry, value in second.items()}}


def as_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows with the columns `COLUMNS`; what is missing is empty."""
    return pd.DataFrame([_flat(row) for row in rows], columns=list(COLUMNS))


def _flat(row: Row) -> dict[str, object]:
    ours = {"mean": row.ours.mean, "low": row.ours.low, "high": row.ours.high, "seeds": row.ours.n}
    plain = {key: value for key, value in asdict(row.entry).items() if key != "variation"}
    theirs = {"published": row.comparable, "difference": row.difference, "departures": "; ".join(row.same.departs)}
    if row.same.differs:
        score = "" if row.published is None else f"the paper's {row.published:g} is of another run: "
        theirs["differs"] = score + "; ".join(row.same.differs)
    return plain | {"variation": row.entry.label} | theirs | ours


def _rank(entry: PaperEntry) -> tuple[object, ...]:
    auxiliaries = ["", *BUILT_IN_MODALITIES, RANDOM]
    places = list(DATASETS_BY_NAME.values()).index(entry.dataset), get_args(Metric).index(entry.metric)
    conditions = [get_args(kind).index(value) for kind, value in ((Setting, entry.setting), (Tuning, entry.tuning))]
    return *places, *conditions, entry.label, auxiliaries.index(entry.auxiliary)

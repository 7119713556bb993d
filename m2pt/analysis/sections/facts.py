"""What a report is made from: the plan of a study and its folders, and all that was computed from them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from m2pt.analysis.figures import contrasts as changes
from m2pt.analysis.figures import gallery, profiles, ranking, rates
from m2pt.analysis.figures import labels as by_labels
from m2pt.analysis.figures.gallery import Picture
from m2pt.analysis.numbers import contrasts
from m2pt.analysis.numbers.cells import MEASURES, CellKey, Condition
from m2pt.analysis.numbers.claims import Claims, claims
from m2pt.analysis.numbers.classes import ByCell
from m2pt.analysis.numbers.comparisons import Compared, Summary, compared
from m2pt.analysis.numbers.contrasts import Ablations
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.questions import asked
from m2pt.analysis.numbers.rules import Rule
from m2pt.analysis.numbers.trajectories import Series, series
from m2pt.analysis.paper.comparison import Paper, paper
from m2pt.analysis.paper.entries import published_of
from m2pt.analysis.paper.sameness import KnownSamples
from m2pt.analysis.sections.wording import Rates
from m2pt.analysis.study import Analysis, analyse
from m2pt.analysis.tables import labels, left_out, materials, search, tuning
from m2pt.analysis.tables.labels import LabelCurve
from m2pt.analysis.tables.ledger import Ledger, ledger
from m2pt.analysis.tables.left_out import SplitCounts
from m2pt.analysis.tables.phrases import listed, seeds_and_encoders
from m2pt.analysis.tables.search import Story
from m2pt.config import GivenSource, Study
from m2pt.modalities.own.described import Described
from m2pt.runs.arms import ArmRates
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.runs.trials import Trial
from m2pt.runs.validity import UNSEEN, Validity

MOST_DRAWN = 8
"""Figures are drawn for conditions in their order, as long as they have at most this many targets together: a figure takes half a
second, and the curves and scales of every cell are on its page anyway."""


_NO_MEAN = "whose points have no common mean: so nothing is said over all targets, and only single targets have numbers."


@dataclass(frozen=True)
class Source:
    """The plan of a study and where its runs are.

    `specs` are the planned runs that are compared, `runs` the folder of their folders; `pretraining` and `encoders` the same for
    its encoders. `parts` has the runs of each part of the study, None where it has none; `trials` are those of its search,
    `arms` those of its tuning. `validity` is what the study's history allows it to claim. `verified` says when all of its files
    were last as they were written, which differs between executions; empty where that is not known. `own` describes the files of
    the targets that are a user's own data, as they are now; None where they are not there.
    """

    study: Study
    specs: Sequence[RunSpec]
    runs: Path
    pretraining: Sequence[PretrainSpec]
    encoders: Path
    parts: Mapping[str, Sequence[RunSpec]] | None = None
    trials: Sequence[Trial] = ()
    arms: Sequence[ArmRates] = ()
    validity: Validity = UNSEEN
    verified: str = ""
    own: Mapping[str, Described | None] = field(default_factory=dict)

    @property
    def declared(self) -> Sequence[RunSpec]:
        """The planned runs, and those of one trial for each arm whose rates are not chosen yet."""
        return [*self.specs, *(spec for arm in self.arms if arm.chosen is None for spec in arm.runs[0])]

    @property
    def by_part(self) -> Mapping[str, Sequence[RunSpec]]:
        """The runs of each part; all of them under "" where there are no parts."""
        return self.parts or {"": self.specs}

    @property
    def seeds(self) -> str:
        """How many seeds there are, and how they go with the pretrainings of the encoders that have several."""
        often, specs = self.pretrained_often, self.specs
        if not often:
            return seeds_and_encoders({Draw(spec.seed) for spec in specs})
        draws = {Draw(spec.seed, spec.replicate) for spec in specs}
        if len(often) == len(self.loaded):
            return seeds_and_encoders(draws)
        return seeds_and_encoders(draws, f"the encoder{'s' if len(often) > 1 else ''} {listed(often)}")

    @property
    def loaded(self) -> set[str]:
        """The sources of the encoders that runs load."""
        pairs = ((spec.target_weights, *spec.auxiliary_refs) for spec in self.specs)
        return {reference.source for references in pairs for reference in references if reference is not None}

    @property
    def pretrained_often(self) -> list[str]:
        """Those of them that have several pretraining seeds."""
        known = self.study.encoders.items()
        loaded = [(name, source) for name, source in known if name in self.loaded and not isinstance(source, GivenSource)]
        return [name for name, source in loaded if source.seeds is not None]


@dataclass(frozen=True)
class Facts:
    """All that the sections show. `drawn` are the conditions that have figures, `splits` the samples of each target's splits."""

    source: Source
    analysis: Analysis
    cells: Sequence[Compared]
    ablations: Ablations
    paper: Paper
    search: Story | None
    tuning: Sequence[tuning.Group]
    labels: Sequence[LabelCurve]
    drawn: Sequence[Condition]
    pictures: Sequence[Picture]
    reconstructions: Sequence[tuple[PretrainSpec, bytes]]
    splits: Sequence[SplitCounts]

    @property
    def study(self) -> Study:
        """The study as it was declared."""
        return self.source.study

    @property
    def rates(self) -> Rates:
        """Which error rate the exploratory families have."""
        return "none" if self.source.validity.seen is not None else self.study.design.seeds

    @property
    def compares(self) -> bool:
        """Whether anything is compared with anything: not where each target has one cell alone."""
        several = any(len(summary.cells) > len(summary.targets) for summary in self.ordered)
        return several or len(self.ordered) > 1

    @property
    def many(self) -> bool:
        """Whether there are several conditions, so that each needs a heading."""
        return len(self.analysis.summaries) > 1

    @property
    def measure(self) -> str:
        """What the scores are: `accuracy`, or `score` where the runs have several metrics."""
        return "accuracy" if all(spec.metric == "accuracy" for spec in self.source.specs) else "score"

    @property
    def measures(self) -> dict[str, list[str]]:
        """The usual names of the scores, with the targets that have each of them."""
        known: dict[str, list[str]] = {}
        for target, metric in dict.fromkeys((spec.target, spec.metric) for spec in self.source.specs):
            known.setdefault(MEASURES[metric], []).append(target)
        return known

    @property
    def unmixed(self) -> str:
        """Why a table has no mean over all targets; empty where there can be one."""
        return f" The targets are measured by {' and '.join(self.measures)}, {_NO_MEAN}" if len(self.measures) > 1 else ""

    @cached_property
    def ordered(self) -> list[Summary]:
        """The conditions of the reference first, then those of the parts that change something."""
        return sorted(self.analysis.summaries, key=lambda item: not self.is_reference(item.condition))

    @cached_property
    def claims(self) -> dict[Condition, Claims]:
        """What is tested about each condition; the first of the reference has the primary claims."""
        design, known = self.study.design, [item for item in self.ordered if not self.ablations.is_random(item.condition.part)]
        rule = Rule(design.planned, design.smallest_difference, bool(self.source.validity.refusal))
        return claims(known, self.analysis.sample_scores, rule, self.analysis.answers)

    @cached_property
    def classes(self) -> ByCell:
        """How well each class is told, cell by cell."""
        return ByCell(self.analysis.records)

    @cached_property
    def series(self) -> dict[CellKey, Series]:
        """The curves of each cell, point by point."""
        return series(self.analysis.curves)

    @cached_property
    def ledger(self) -> Ledger:
        """What the study cost."""
        return ledger(self.analysis.cells, self.analysis.timings, self.analysis.records)

    def is_reference(self, condition: Condition) -> bool:
        """Whether a condition belongs to the study as it is without changes."""
        return self.ablations.is_reference(condition.part)

    def pictures_of(self, section: str, condition: str) -> list[Picture]:
        """The figures of a section for one condition, by its slug."""
        return [picture for picture in self.pictures if (picture.section, picture.condition) == (section, condition)]


def gather(source: Source) -> Facts:
    """Read and compute everything. Raises `UserError` where a record cannot be read; the file is named."""
    study, trained = source.study, (source.pretraining, source.encoders)
    analysis = analyse(source.specs, source.runs, *trained, source.parts, study.encoders, asked(study))
    samples = [KnownSamples.of(record) for record in analysis.row_records]
    published = published_of(source.specs, samples, source.study)
    ablations = contrasts.ablations(source.study, analysis.cells, published)
    drawn = drawn_conditions(analysis.summaries)
    tuned, curves = tuning.groups(source.arms), labels.curves(source.study, analysis.cells)
    made = materials.reconstructions(source.pretraining, source.encoders)
    return Facts(
        source=source,
        analysis=analysis,
        cells=compared(analysis.cells),
        ablations=ablations,
        paper=paper(source.study, source.specs, analysis.row_records, analysis.summaries, analysis.methods),
        search=search.story(source.study, source.trials, analysis.cells),
        tuning=tuned,
        labels=curves,
        drawn=[item.condition for item in drawn],
        pictures=[*draw(analysis, ablations, drawn), *rates.draw(tuned), *by_labels.draw(curves)],
        reconstructions=[(spec, path.read_bytes()) for spec, path in made],
        splits=left_out.split_counts(analysis.table, analysis.records),
    )


def drawn_conditions(summaries: Sequence[Summary]) -> list[Summary]:
    """The conditions that figures are drawn for: the first, and those after it within `MOST_DRAWN`."""
    counts = itertools.accumulate(len(item.targets) for item in summaries)
    return [item for item, count in zip(summaries, counts, strict=True) if count <= MOST_DRAWN or item is summaries[0]]


def draw(analysis: Analysis, ablations: Ablations, drawn: Sequence[Summary]) -> list[Picture]:
    """All figures of a report that have files of their own."""
    cells, curves, scales = analysis.cells, analysis.curves, analysis.scales
    of_summaries = [picture for item in drawn for picture in gallery.draw(item, cells, curves, scales)]
    conditions = [item.condition for item in drawn]
    ranked = [item for item in analysis.rankings if item.condition in conditions]
    profiled = [item for item in analysis.profiles if item.condition in conditions]
    return [*of_summaries, *changes.draw(ablations), *ranking.draw(ranked), *profiles.draw(profiled)]

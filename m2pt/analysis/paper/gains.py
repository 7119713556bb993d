"""What the paper reports of gains and their cost, in the same form as ours: Figure 3, its own controls, Table 7."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.paper.scores import DATASETS_BY_NAME, FIGURE_3, Metric, ablation_score, published_score
from m2pt.analysis.paper.training_cost import BASELINE_COST, PATHWAY_COST, PublishedCost
from m2pt.analysis.tables.methods import MethodRow
from m2pt.config import Dataset, PathwayConfig, Setting, TaskConfig, Tuning
from m2pt.config.base import BUILT_IN_MODALITIES

_NAMES = {dataset: name for name, dataset in DATASETS_BY_NAME.items()}
_METRICS: dict[Dataset, Metric] = {
    "imagenet": "accuracy", "ade20k": "miou", "audioset": "map", "shapenetpart": "miou_instance", "partnet": "miou",
    "kinetics": "accuracy", "coco": "ap_box",
}  # fmt: skip


@dataclass(frozen=True)
class PaperGain:
    """The paper's scores of a target with an auxiliary and without, in percent, one run each."""

    dataset: str
    baseline: float
    score: float

    @property
    def points(self) -> float:
        """The gain in percentage points."""
        return self.score - self.baseline

    @property
    def relative(self) -> float:
        """The gain in percent of the baseline's score, as Figure 3 draws it."""
        return 100 * self.points / self.baseline


@dataclass(frozen=True)
class CostRatio:
    """A row of Table 7: the pathway's cost as a multiple of the baseline's, the paper's and ours (None: not measured)."""

    label: str
    published: float
    ours: float | None


def paper_gains(summary: Summary, tasks: Mapping[str, TaskConfig]) -> dict[tuple[str, str], PaperGain]:
    """By target and auxiliary, where the paper has the pair.

    For the small data of a modality it is the pair of Figure 3, on the paper's data set of that modality; for a task on a
    published data set its own, in the same setting and tuning.
    """
    gains: dict[tuple[str, str], PaperGain] = {}
    for target in summary.targets:
        place = _place(target, summary.condition, tasks)
        for auxiliary in BUILT_IN_MODALITIES if place else ():
            scores = [published_score(*place, name) for name in ("", auxiliary)] if place else []
            if place and None not in scores:
                gains[target, auxiliary] = PaperGain(_NAMES[place[0]], *(score for score in scores if score is not None))
    return gains


def _place(target: str, condition: Condition, tasks: Mapping[str, TaskConfig]) -> tuple[Dataset, Metric, Setting, Tuning] | None:
    if target not in tasks:
        pair = next((pair for modality, pair in FIGURE_3.items() if modality == target), None)
        return None if pair is None else (*pair, "pretrained", "full")
    dataset = tasks[target].dataset
    setting: Setting = "scratch" if condition.setting == "scratch" else "pretrained"
    tuning: Tuning = "fix" if condition.tuning == "fix" else "full"
    return (dataset, _METRICS[dataset], setting, tuning) if dataset in _METRICS else None


def paper_controls() -> dict[str, float]:
    """What the paper has of controls (Table 6, ImageNet-1K with the point auxiliary): gains over its baseline in points."""
    baseline = ablation_score("imagenet", "accuracy", None)
    kinds = {
        "the method": (PathwayConfig(), 300),
        "blocks in reversed order": (PathwayConfig(order="reversed"), 300),
        "an auxiliary of 220 epochs": (PathwayConfig(), 220),
        "an auxiliary of 20 epochs": (PathwayConfig(), 20),
    }
    scores = {name: ablation_score("imagenet", "accuracy", *kind) for name, kind in kinds.items()}
    return {name: score - baseline for name, score in scores.items() if score is not None and baseline is not None}


def cost_ratios(rows: Sequence[MethodRow]) -> list[CostRatio]:
    """Table 7 (ImageNet-1K, ViT-B), with the pathway and the baseline of one condition of a study."""
    named = {row.name: row for row in rows}
    pathway, baseline = named.get("pathway"), named.get("baseline")

    def published(name: str) -> float:
        return _cost(PATHWAY_COST, name) / _cost(BASELINE_COST, name)

    def ours(name: str) -> float | None:
        pair = [getattr(row, name) if row else None for row in (pathway, baseline)]
        return None if pair[0] is None or not pair[1] else float(pair[0]) / float(pair[1])

    return [
        CostRatio("training time", published("training_hours"), pathway.train_ratio if pathway else None),
        CostRatio("trainable parameters", published("trainable_parameters"), ours("trainable_parameters")),
        CostRatio("inference time", published("inference_ms"), pathway.latency_ratio if pathway else None),
        CostRatio("parameters at inference", published("inference_parameters"), ours("parameters")),
    ]


def _cost(cost: PublishedCost, name: str) -> float:
    value: float = getattr(cost, name)
    return value

"""The paper's scores by data set, metric, setting, tuning and auxiliary."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from m2pt.config import LAYERS, Dataset, Modality, PathwayConfig, Setting, Tuning, refuses_unknown

Metric = Literal["accuracy", "miou", "miou_class", "miou_instance", "map", "ap_box", "ap_mask"]
"""Top-1 accuracy; mean intersection over union, of part segmentation also over object classes or instances; mean average
precision; of detected objects the average precision of boxes and of masks."""

SECOND: dict[Metric, Metric] = {"miou_instance": "miou_class", "ap_box": "ap_mask"}
"""The second score that the paper has of the same runs, by the main one."""

EntryKey = tuple[Dataset, Metric, Setting, Tuning, str]
"""Data set, metric, setting, tuning and auxiliary ("" for none)."""

DATASETS_BY_NAME: dict[str, Dataset] = {
    "ImageNet-1K": "imagenet",
    "COCO": "coco",
    "ADE20K": "ade20k",
    "AudioSet-20K": "audioset",
    "ShapeNetPart": "shapenetpart",
    "PartNet": "partnet",
    "Kinetics-400": "kinetics",
}

BASELINES: dict[tuple[str, str], str] = {
    ("image", "pretrained"): "MAE",
    ("audio", "pretrained"): "AudioMAE",
    ("point", "pretrained"): "Point-MAE",
    ("video", "pretrained"): "VideoMAE",
    ("image", "scratch"): "ViT",
    ("audio", "scratch"): "ViT",
    ("point", "scratch"): "ViT",
}
"""The paper's own baseline of each target and setting: the same model and training without an auxiliary."""

ABLATION_AUXILIARIES: dict[Dataset, Modality] = {"imagenet": "point", "shapenetpart": "video", "partnet": "video"}
"""Which auxiliary Tables 5 and 6 use."""

FIGURE_3: dict[Modality, tuple[Dataset, Metric]] = {
    "image": ("imagenet", "accuracy"),
    "audio": ("audioset", "map"),
    "point": ("partnet", "miou"),
    "video": ("kinetics", "accuracy"),
}
"""The score of each target whose relative gain Figure 3 draws."""

TABLES: dict[int, tuple[Dataset, ...]] = {
    1: ("imagenet", "coco", "ade20k"),
    2: ("shapenetpart", "partnet"),
    3: ("audioset",),
    4: ("kinetics",),
}
"""The data sets of the paper's tables of results."""

_METRICS: dict[str, tuple[Metric, Tuning]] = {
    "top1_tune": ("accuracy", "full"),
    "top1_fix": ("accuracy", "fix"),
    "miou": ("miou", "full"),
    "miou_class": ("miou_class", "full"),
    "miou_instance": ("miou_instance", "full"),
    "map": ("map", "full"),
    "ap_box": ("ap_box", "full"),
    "ap_mask": ("ap_mask", "full"),
}

_SETTINGS: dict[str, Setting] = {"pretrained": "pretrained", "scratch": "scratch"}

_ABLATION_COLUMNS: dict[tuple[Dataset, Metric], str] = {
    ("imagenet", "accuracy"): "imagenet_top1",
    ("shapenetpart", "miou_class"): "shapenetpart_miou_class",
    ("shapenetpart", "miou_instance"): "shapenetpart_miou_instance",
    ("partnet", "miou"): "partnet_miou",
}


def published_entries() -> list[EntryKey]:
    """The entries of Tables 1 to 4 of the method and its baselines on covered data sets, in the paper's order."""
    return list(_entries())


@refuses_unknown
def published_score(dataset: Dataset, metric: Metric, setting: Setting, tuning: Tuning, auxiliary: str) -> float | None:
    """One entry of Tables 1 to 4 in percent, None where the paper has none.

    `auxiliary` is a modality, or "" for the paper's own baseline (`BASELINES`).
    """
    return _entries().get((dataset, metric, setting, tuning, auxiliary))


@refuses_unknown
def ablation_score(dataset: Dataset, metric: Metric, pathway: PathwayConfig | None, auxiliary_epochs: int = 300) -> float | None:
    """One entry of Tables 5 and 6 in percent (pretrained target, full tuning), None where the paper has none.

    `pathway` None is the baseline. `auxiliary_epochs` is how long the auxiliary was pretrained. An entry of both tables is
    Table 6's, which has two digits.
    """
    column = _ABLATION_COLUMNS.get((dataset, metric))
    if column is None:
        return None
    if pathway is not None and (pathway.granularity != "layer" or not pathway.auxiliary_trainable):
        return None
    wanted = None if pathway is None else _Ablation.of(pathway, auxiliary_epochs)
    scores = [row[column] for row in _read("ablations.csv") if row[column] and _Ablation.read(row) == wanted]
    return float(scores[-1]) if scores else None


@refuses_unknown
def ablation_rows(table: Literal[5, 6]) -> list[tuple[PathwayConfig | None, int]]:
    """The rows of Table 5 or 6 in its order: the pathway (None: no auxiliary), and how long the auxiliary was pretrained."""
    rows = [_Ablation.read(row) for row in _read("ablations.csv") if row["table"] == str(table)]
    return [(None, 0) if row is None else (row.pathway, row.auxiliary_epochs) for row in rows]


@dataclass(frozen=True)
class _Ablation:
    """What a row of Tables 5 and 6 varies."""

    layers: frozenset[str]
    scale_init: float
    scale_trainable: bool
    order: str
    auxiliary_epochs: int

    @classmethod
    def of(cls, pathway: PathwayConfig, auxiliary_epochs: int) -> "_Ablation":
        layers = frozenset[str](pathway.layers)
        return cls(layers, pathway.scale_init, pathway.scale_trainable, pathway.order, auxiliary_epochs)

    @property
    def pathway(self) -> PathwayConfig:
        return PathwayConfig.model_validate(
            {
                "layers": tuple(layer for layer in LAYERS if layer in self.layers),
                "scale_init": self.scale_init,
                "scale_trainable": self.scale_trainable,
                "order": self.order,
            }
        )

    @classmethod
    def read(cls, row: dict[str, str]) -> "_Ablation | None":
        if not row["layers"]:
            return None
        return cls(
            frozenset(row["layers"].split()),
            float(row["scale_init"]),
            row["scale_trainable"] == "true",
            row["aux_order"],
            int(row["aux_pretrain_epochs"]),
        )


@functools.cache
def _entries() -> dict[EntryKey, float]:
    """The scores of the method and of its baselines; other methods of the tables are left out."""
    entries: dict[EntryKey, float] = {}
    for row in _read("results.csv"):
        dataset = DATASETS_BY_NAME.get(row["dataset"])
        if dataset is not None and row["method"] in ("M2PT", BASELINES.get((row["target"], row["setting"]))):
            metric, tuning = _METRICS[row["metric"]]
            entries[dataset, metric, _SETTINGS[row["setting"]], tuning, row["auxiliary"]] = float(row["value"])
    return entries


@functools.cache
def _read(name: str) -> tuple[dict[str, str], ...]:
    text = resources.files("m2pt.analysis.paper").joinpath(name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))

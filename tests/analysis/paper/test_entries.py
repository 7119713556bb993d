from typing import Any

import pytest

from m2pt.analysis.numbers.statistics import Estimate, estimate
from m2pt.analysis.paper.entries import COLUMNS, PaperEntry, Row, Variation, as_table, beside, entries_of
from m2pt.config import LAYERS, PathwayConfig
from m2pt.runs.spec import RunSpec, TaskSpec, WeightsRef
from tests.specs import run_spec

POINT = PaperEntry("imagenet", "accuracy", "pretrained", "full", "point")
BASELINE = PaperEntry("imagenet", "accuracy", "pretrained", "full", "")


def _row(rows: list[Row], entry: PaperEntry) -> Row:
    (only,) = [row for row in rows if row.entry == entry]
    return only


def test_ours_stands_beside_the_papers_number() -> None:
    rows = beside({POINT: estimate([84.0, 84.4, 84.2]), BASELINE: estimate([83.0])})
    point, baseline = _row(rows, POINT), _row(rows, BASELINE)
    assert (point.published, point.ours.n, point.difference) == (83.9, 3, pytest.approx(0.3))
    assert (baseline.published, baseline.difference, baseline.ours.half_width) == (83.3, pytest.approx(-0.3), None)


def test_what_either_side_lacks_stays_missing() -> None:
    random = PaperEntry("imagenet", "accuracy", "pretrained", "full", "random")
    rows = beside({random: estimate([83.5, 83.7]), POINT: Estimate(0, dropped=3)})
    assert (_row(rows, random).published, _row(rows, random).difference) == (None, None)
    assert (_row(rows, POINT).published, _row(rows, POINT).ours.mean, _row(rows, POINT).difference) == (83.9, None, None)
    fix = _row(rows, PaperEntry("imagenet", "accuracy", "pretrained", "fix", "audio"))  # in the paper, not in this study
    assert (fix.published, fix.ours.n) == (67.3, 0)
    assert {row.entry.dataset for row in rows} == {"imagenet"}  # no word of data sets that the study does not have
    table = as_table(rows)
    assert table.loc[table["auxiliary"] == "random", "published"].isna().tolist() == [True]
    assert table.loc[table["seeds"] == 0, ["mean", "low", "high", "difference"]].isna().all(axis=None)


def test_the_order_is_the_papers_and_no_cell_comes_twice() -> None:
    rows = beside({POINT: estimate([84.0]), PaperEntry("audioset", "map", "pretrained", "full", "video"): Estimate(0)})
    entries = [(row.entry.dataset, row.entry.setting, row.entry.tuning, row.entry.auxiliary) for row in rows]
    assert entries[:5] == [("imagenet", "pretrained", "full", name) for name in ("", "audio", "point", "video")] + [
        ("imagenet", "pretrained", "fix", "")
    ]
    assert len(set(entries)) == len(entries) == 8 + 4 + 4 + 2
    assert [dataset for dataset, *_ in entries] == ["imagenet"] * 12 + ["audioset"] * 6


def test_variations_find_tables_5_and_6() -> None:
    def published(entry: PaperEntry, epochs: int = 300, **changes: object) -> float | None:
        variation = Variation(PathwayConfig(**changes), epochs)  # type: ignore[arg-type]
        return PaperEntry(entry.dataset, entry.metric, entry.setting, entry.tuning, entry.auxiliary, variation).published

    assert published(POINT, layers=("mlp.fc2",)) == 83.7
    assert published(POINT, epochs=20) == 83.55
    assert published(POINT, order="reversed") == 83.61
    assert published(POINT) == 83.9  # the method itself, under whatever name: Table 1
    assert published(PaperEntry("imagenet", "accuracy", "pretrained", "full", "audio"), order="reversed") is None
    assert published(PaperEntry("imagenet", "accuracy", "pretrained", "fix", "point"), order="reversed") is None
    assert published(PaperEntry("partnet", "miou", "pretrained", "full", "video"), scale_init=0.01, scale_trainable=False) == 48.2


def test_variations_are_named_and_stand_apart() -> None:
    labels = {
        Variation(PathwayConfig(layers=LAYERS[::-1])).label: "",
        Variation(PathwayConfig(layers=("attn.qkv",))).label: "only attn.qkv",
        Variation(PathwayConfig(scale_init=1e-4)).label: "scale from 0.0001",
        Variation(PathwayConfig(scale_init=0.01, scale_trainable=False)).label: "scale fixed at 0.01",
        Variation(PathwayConfig(order="shuffled"), 220).label: "shuffled blocks; auxiliary of 220 epochs",
        Variation(PathwayConfig(granularity="head", auxiliary_trainable=False)).label: "one scale per head; frozen auxiliary",
    }
    assert list(labels) == list(labels.values())
    unvaried = ("imagenet", "accuracy", "pretrained", "full", "point")
    frozen = PaperEntry(*unvaried, Variation(PathwayConfig(auxiliary_trainable=False)))  # type: ignore[arg-type]
    same = PaperEntry(*unvaried, Variation(PathwayConfig()))  # type: ignore[arg-type]
    rows = beside({frozen: estimate([83.5]), same: estimate([83.8])})
    ours = {row.entry.label: row for row in rows if row.ours.n}
    assert ours["frozen auxiliary"].published is None and ours[""].published == 83.9
    assert len([row for row in rows if row.published == 83.9]) == 1


def _spec(**changes: Any) -> RunSpec:
    task = TaskSpec(dataset="imagenet", goal="classification", variant=None, recipe="r", holdout=0.0, unreadable="fail")
    fields = {"target": "imagenet-1k", "modality": "image", "task": task, "auxiliary": "point", "pathway": PathwayConfig()}
    weights = WeightsRef(source=changes.pop("source", "published"), modality="point", sha256="b" * 64)
    return run_spec(**(fields | {"auxiliary_weights": weights} | changes))


def test_a_study_gives_its_cells() -> None:
    specs = [
        _spec(auxiliary="", method="baseline", pathway=None, auxiliary_weights=None, seed=0),
        _spec(auxiliary="", method="baseline", pathway=None, auxiliary_weights=None, seed=1),
        _spec(seed=0),
        _spec(seed=1),
        _spec(pathway=PathwayConfig(order="reversed")),
        _spec(source="short"),
        _spec(setting="scratch", tuning="fix", target_weights=None),
        run_spec(modality="image"),
        _spec(
            task=TaskSpec(dataset="partnet", goal="part_segmentation", variant="1", recipe="r", holdout=0.0, unreadable="fail")
        ),
    ]
    scores = [83.0, 83.4, 84.0, float("nan"), 83.5, 83.6, 20.0, 61.0, 70.0]
    entries = entries_of(specs, scores, {"short": 20})
    assert entries[BASELINE].n == 2 and (entries[POINT].n, entries[POINT].dropped) == (1, 1)
    assert sum(mean.n for mean in entries.values()) == 6  # the last two: no published data set, and not the paper's variant
    table = as_table(beside(entries)).set_index(["setting", "tuning", "auxiliary", "variation"]).sort_index()
    columns = ["published", "mean", "seeds"]
    assert table.loc[("pretrained", "full", "", ""), columns].tolist() == pytest.approx([83.3, 83.2, 2])
    assert table.loc[("pretrained", "full", "point", ""), columns].tolist() == [83.9, 84.0, 1]
    assert table.loc[("pretrained", "full", "point", "reversed blocks"), columns].tolist() == [83.61, 83.5, 1]
    assert table.loc[("pretrained", "full", "point", "auxiliary of 20 epochs"), columns].tolist() == [83.55, 83.6, 1]
    assert table.loc[("scratch", "fix", "point", ""), "difference"] == pytest.approx(20.0 - 19.5)


def test_without_a_published_data_set_there_is_no_table() -> None:
    assert beside({}) == []
    assert tuple(as_table([]).columns) == COLUMNS

"""Numbers of the paper below are read off its tables by eye."""

import itertools

import pytest

from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.statistics import Estimate, estimate
from m2pt.analysis.paper.entries import PaperEntry, Variation, beside
from m2pt.analysis.paper.gains import paper_controls, paper_gains
from m2pt.analysis.paper.tables import Line, PaperTable, paper_tables
from m2pt.config import MODALITIES, PathwayConfig, TaskConfig

POINT = PaperEntry("imagenet", "accuracy", "pretrained", "full", "point")


def _tables(measured: dict[PaperEntry, Estimate]) -> dict[int, PaperTable]:
    return {table.number: table for table in paper_tables(beside(measured))}


def _line(table: PaperTable, group: int, label: str) -> Line:
    return next(line for line in table.groups[group][1] if line.label == label)


def test_a_table_has_the_papers_rows_and_columns_and_the_control_last() -> None:
    random = PaperEntry("imagenet", "accuracy", "pretrained", "full", "random")
    table = _tables({POINT: estimate([84.0, 84.4]), random: estimate([83.5, 83.9])})[1]
    assert [(column.title, column.words) for column in table.columns] == [
        ("ImageNet-1K", "accuracy"),
        ("ImageNet-1K", "accuracy, only scales and head tuned"),
    ]
    assert [heading for heading, _ in table.groups] == ["Pretrained target", "Target from scratch"]
    assert [line.label for line in table.groups[0][1]] == [
        "no auxiliary (MAE)", "audio", "point", "video", "random weights (control)",
    ]  # fmt: skip
    assert [line.label for line in table.groups[1][1]] == ["no auxiliary (ViT)", "point"]
    tuned, fixed = _line(table, 0, "point").cells
    assert tuned is not None and fixed is not None
    assert (tuned.published, tuned.ours.mean, tuned.difference) == (83.9, pytest.approx(84.2), pytest.approx(0.3))
    assert (fixed.published, fixed.ours.n, fixed.difference) == (67.8, 0, None)  # in the paper, not here
    control, nothing = _line(table, 0, "random weights (control)").cells
    assert control is not None and control.published is None and nothing is None


def test_only_tables_of_the_studys_data_sets_are_there() -> None:
    assert list(_tables({POINT: Estimate(0, 3)})) == [1, 5, 6]
    assert list(_tables({PaperEntry("shapenetpart", "miou_instance", "pretrained", "full", "video"): Estimate(0)})) == [2, 5]
    assert list(_tables({PaperEntry("kinetics", "accuracy", "pretrained", "full", ""): Estimate(0)})) == [4]
    assert _tables({}) == {}


def test_ablations_have_the_papers_rows_and_then_our_own() -> None:
    only = PaperEntry(*POINT.key[:5], Variation(PathwayConfig(layers=("mlp.fc2",))))  # type: ignore[arg-type]
    frozen = PaperEntry(*POINT.key[:5], Variation(PathwayConfig(auxiliary_trainable=False)))  # type: ignore[arg-type]
    early = PaperEntry(*POINT.key[:5], Variation(PathwayConfig(), 20))  # type: ignore[arg-type]
    tables = _tables({POINT: estimate([84.0]), only: estimate([83.6]), frozen: estimate([83.0]), early: estimate([83.4])})
    five, six = tables[5], tables[6]
    labels = [line.label for line in five.groups[0][1]]
    assert labels[:5] == ["no auxiliary", "only attn.qkv", "only attn.proj", "only mlp.fc1", "only mlp.fc2"]
    assert len(labels) == len(set(labels)) == 10

    def numbers(line: Line) -> tuple[float | None, float | None]:
        (cell,) = line.cells
        return (cell.published, cell.ours.mean) if cell else (None, None)

    assert numbers(_line(five, 0, "only mlp.fc2")) == (83.7, 83.6)
    assert numbers(_line(five, 0, "scale fixed at 0.01")) == (83.5, None)
    assert numbers(_line(five, 0, "the pathway as in Tables 1 to 4")) == (83.9, 84.0)
    assert [(heading, [line.label for line in lines]) for heading, lines in five.groups[1:]] == [
        ("Of this study alone", ["frozen auxiliary"])
    ]
    assert numbers(_line(six, 0, "auxiliary of 20 epochs")) == (83.55, 83.4)
    assert numbers(_line(six, 0, "the pathway as in Tables 1 to 4")) == (83.93, 84.0)
    assert numbers(_line(six, 0, "reversed blocks")) == (83.61, None)


def _summary(*targets: str, setting: str = "pretrained") -> Summary:
    return Summary(Condition(setting, "full"), targets, ("audio", "point"), (), (), {})


def test_the_papers_gains_are_those_of_figure_3() -> None:
    gains = paper_gains(_summary("image", "point"), {})
    point = gains["image", "point"]
    assert (point.dataset, point.points, point.relative) == ("ImageNet-1K", pytest.approx(0.6), pytest.approx(0.6 / 83.3 * 100))
    assert gains["point", "video"].relative == pytest.approx(100 * (50.1 - 47.4) / 47.4)
    everything = paper_gains(_summary(*MODALITIES), {})
    assert everything["audio", "video"].relative == pytest.approx(100 * 0.2 / 35.3)
    assert everything["video", "image"].relative == pytest.approx(100 * 0.7 / 81.5)
    assert set(everything) == set(itertools.permutations(MODALITIES, 2))
    assert all(0 < gain.relative < 6 for gain in everything.values())
    assert ("image", "image") not in gains and len(gains) == 6


def test_a_task_has_the_gains_of_its_own_data_set_and_condition() -> None:
    task = TaskConfig.model_validate({"modality": "image", "dataset": "ade20k", "path": "a", "recipes": {"full": "mae-ade20k"}})
    other = TaskConfig.model_validate({"modality": "audio", "dataset": "esc50", "path": "e", "recipes": {"full": "r"}})
    assert list(paper_gains(_summary("street"), {"street": task})) == [("street", "point")]
    scratch = paper_gains(_summary("street", setting="scratch"), {"street": task})
    assert scratch["street", "point"].points == pytest.approx(42.5 - 39.7)
    assert paper_gains(_summary("esc"), {"esc": other}) == {}


def test_the_papers_controls_are_gains_too() -> None:
    assert paper_controls() == {
        "the method": pytest.approx(0.63),
        "blocks in reversed order": pytest.approx(0.31),
        "an auxiliary of 220 epochs": pytest.approx(0.39),
        "an auxiliary of 20 epochs": pytest.approx(0.25),
    }

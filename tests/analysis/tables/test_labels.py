"""Which parts of a study make a curve of labels, and its lines, from scores that are made up."""

import math
from collections.abc import Callable

import pandas as pd
import pytest

from m2pt.analysis.numbers.cells import Cell, cells
from m2pt.analysis.tables.labels import ALL, LabelCurve, curves, interval, more_labels
from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import COLUMNS
from pipelines.planning.grid import data_used, part_specs
from pipelines.planning.run_maker import Fingerprints

STUDY = """
study: labels
data: {embedded: {}}
encoders: {mae: {kind: mae}}
finetune: {epochs: 3, samples: 400}
sweep: {seeds: [0, 1, 2, 3], targets: [image, audio], auxiliaries: [image, audio, point],
        methods: [baseline, pathway, random_auxiliary]}
parts:
  - {name: whole, set: {}}
  - {name: quarter, set: {finetune.samples: 100}}
%s
"""


def study(more: str = "") -> Study:
    return parse_study(STUDY % more, "labels.yaml")


def labels_of(spec: RunSpec) -> int:
    """The whole train split has 800 samples."""
    return 800 if spec.finetune.samples == "all" else spec.finetune.samples


def score(spec: RunSpec) -> float:
    """The baseline gains 5 points per doubling from 100 labels on; the pathway is as good as it is with twice the labels."""
    doublings = math.log2(labels_of(spec) / 100) + (spec.method == "pathway")
    noise = 0.4 * (-1) ** spec.seed * (1 if spec.method == "baseline" else -1) + 0.1 * (spec.seed // 2) * (
        spec.method == "pathway"
    )
    return 50 + 10 * (spec.target == "audio") + 5 * doublings + noise


def made(of: Study, judge: Callable[[RunSpec], float | None] = score) -> list[Cell]:
    keys = [(name, modality) for name in of.encoders for modality in ("image", "audio", "point", "video")]
    parts = part_specs(of, Fingerprints(dict.fromkeys(data_used(of), "d"), dict.fromkeys(keys, "e")))
    rows = []
    for name, specs in parts.items():
        for spec in specs:
            value = judge(spec)
            row = {key: getattr(spec, key) for key in ("target", "auxiliary", "method", "setting", "tuning", "seed", "metric")}
            state = {"status": "failed" if value is None else "complete", "test_score": value, "parts": name}
            state |= {} if value is None else {"train_samples": labels_of(spec)}
            rows.append(row | state)
    return cells(pd.DataFrame(rows, columns=list(COLUMNS)))


def only(found: list[LabelCurve]) -> LabelCurve:
    (curve,) = found
    return curve


def test_parts_that_differ_in_labels_alone_make_one_curve() -> None:
    of = study(
        "  - {name: fewer, set: {finetune.samples: 200, finetune.epochs: 6}}\n  - {name: qkv, set: {pathway.layers: [attn.qkv]}}"
    )
    curve = only(curves(of, made(of)))
    assert curve.parts == ("whole", "quarter", "fewer")
    assert curve.labels == (100, 200, 400)
    assert not curve.same_epochs
    assert list(curve.targets) == [ALL, "image", "audio"]
    assert [line.method for line in curve.targets["image"]] == ["baseline", "pathway", "random_auxiliary"]


def test_what_differs_in_more_than_labels_makes_none() -> None:
    of = parse_study((STUDY % "").replace("{finetune.samples: 100}", "{finetune.samples: 100, model.width: 32}"), "labels.yaml")
    assert curves(of, made(of)) == []
    of = parse_study((STUDY % "").replace("[baseline, ", "["), "labels.yaml")
    assert curves(of, made(of)) == [], "without a baseline nothing can be said in labels"
    plain = parse_study((STUDY % "").partition("parts:")[0], "labels.yaml")
    assert curves(plain, made(plain)) == []


def test_a_method_that_is_as_good_as_twice_the_labels_is_worth_100_percent_more() -> None:
    curve = only(curves(study(), made(study())))
    for target in (ALL, "image", "audio"):
        line = curve.targets[target][1]
        assert line.method == "pathway"
        equal = line.worth[100].equal
        assert equal == pytest.approx(200, rel=0.02)
        assert more_labels(line.worth[100]) in [f"worth +{percent} % labels" for percent in range(98, 103)]
        assert line.worth[400].equal is None
        assert more_labels(line.worth[400]) == "worth > 0 % labels"
    baseline = curve.targets["image"][0]
    assert baseline.worth == {}
    assert baseline.scores[400].mean == pytest.approx(60)
    assert curve.targets[ALL][0].scores[400].mean == pytest.approx(65), "the mean over the targets"


def test_ends_that_were_not_measured_are_open() -> None:
    curve = only(curves(study(), made(study())))
    item = curve.targets["image"][1].worth[400]
    assert item.high is None and item.low is not None
    assert interval(item).endswith(", open above")
    control = curve.targets["image"][2].worth[100]
    assert control.low is None and control.high is not None
    assert interval(control).startswith("up to +") and interval(control).endswith("open below")


def test_a_run_that_failed_leaves_out_its_draw() -> None:
    of = study()
    found = made(of, lambda spec: None if (spec.method, spec.seed, spec.target) == ("baseline", 2, "image") else score(spec))
    curve = only(curves(of, found))
    item = curve.targets["image"][1].worth[100]
    assert (item.n, item.dropped) == (3, 1)
    assert curve.targets["audio"][1].worth[100].dropped == 0
    nothing = only(curves(of, made(of, lambda spec: None)))
    assert all(line.worth == {} for line in nothing.targets["image"])


def test_a_part_with_all_samples_stands_at_their_number() -> None:
    of = study("  - {name: everything, set: {finetune.samples: all}}")
    curve = only(curves(of, made(of)))
    assert curve.parts == ("whole", "quarter", "everything")
    assert curve.labels == (100, 400, 800)
    pathway = curve.targets["image"][1]
    assert pathway.scores[800].mean == pytest.approx(70, abs=0.1)
    assert pathway.worth[400].measured == (100, 800), "the baseline's number of labels that a score is compared with"


def test_all_samples_without_a_complete_run_are_left_out() -> None:
    of = study("  - {name: everything, set: {finetune.samples: all}}")
    curve = only(curves(of, made(of, lambda spec: None if spec.finetune.samples == "all" else score(spec))))
    assert curve.labels == (100, 400)

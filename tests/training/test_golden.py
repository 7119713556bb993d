"""The histories of tiny runs are those of `tests/golden/`, as nearly as processors compute the same.

Processors differ in the last bits. The tolerances leave room for that, and are below what a change of the recipe does: see the
second test.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from m2pt.config import Modality
from tests.training.golden import FOLDER, MODALITIES, RECIPE, curves, fine_tuning, history

LOSS = {"rel": 1e-4}
"""Losses and rates."""

SIZE = {"rel": 2e-3, "abs": 1e-5}
"""Scales and effective sizes, which begin near 0."""

SCORE = {"abs": 5.1}
"""Accuracies in percent: two of the 40 validation samples may be on another side of a border."""


def golden(modality: Modality) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{modality}.jsonl").read_text().splitlines()[1:]]


def differing(lines: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[str]:
    """The values that are not as expected."""
    assert [line.keys() for line in lines] == [line.keys() for line in expected]
    return [
        f"{line['kind']} epoch {line['epoch']} {name}: {value} instead of {right[name]}"
        for line, right in zip(lines, expected, strict=True)
        for name, value in line.items()
        if value != (right[name] if isinstance(value, str) else pytest.approx(right[name], **_tolerance(name)))
    ]


def _tolerance(name: str) -> dict[str, float]:
    return SCORE if "accuracy" in name else SIZE if name.startswith(("scale/", "effective_size/")) else LOSS


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_histories_of_a_pretraining_and_a_fine_tuning_are_the_golden_ones(modality: Modality, tmp_path: Path) -> None:
    assert differing(curves(modality, tmp_path), golden(modality)) == []


def test_the_tolerances_catch_a_recipe_that_changed_by_five_percent(tmp_path: Path) -> None:
    expected = [line for line in golden("image") if line["kind"] == "finetune"]
    changed = RECIPE.model_copy(update={"learning_rate": RECIPE.learning_rate * 1.05})
    lines = [{"kind": "finetune", **line} for line in history(fine_tuning("image", changed), tmp_path)]
    wrong = differing(lines, expected)
    assert any("train/loss" in fault for fault in wrong)
    assert any("scale/" in fault for fault in wrong)

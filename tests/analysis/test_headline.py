from pathlib import Path

import numpy as np
import pytest

from m2pt import records
from m2pt.analysis.headline import headline, signed
from m2pt.analysis.tables import summaries
from m2pt.identity import RunSpec, derived_seed
from tests.analysis import synthetic


def _claims(tmp_path: Path, effects: dict[str, float], noise: float = 0.3, seeds: int = 5) -> list[str]:
    """The claims of a study whose methods differ by known effects."""

    def score(spec: RunSpec) -> float:
        rng = np.random.default_rng(derived_seed(spec.seed, spec.name, "headline"))
        return 60 + effects.get(spec.method, 0.0) + float(rng.normal(0, noise))

    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=seeds, epochs=1), score)
    (found,) = summaries(records.table(planned.specs, planned.runs))
    return [statement.claim for statement in headline(found)]


def test_no_transfer_is_claimed_where_random_weights_do_as_much(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 2.0, "random_auxiliary": 2.0, "own_modality": 5.0})
    assert claims[0] == "This study does not show that auxiliaries of other modalities do more than random weights."
    assert claims[1] == "The study can detect useful weights on image, audio, point and video."
    assert claims[2] == "A gain over no auxiliary is no sign of knowledge here: random weights gain too."


def test_a_gain_over_random_weights_is_told(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 4.0, "random_auxiliary": 1.0, "own_modality": 5.0})
    assert claims[0] == "Auxiliaries of other modalities scored higher than random weights on average."


def test_a_loss_against_random_weights_is_told(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": -4.0, "random_auxiliary": 1.0, "own_modality": 5.0})
    assert claims[0] == "Auxiliaries of other modalities scored lower than random weights on average."


def test_a_study_without_a_working_positive_control_says_so(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {}, noise=1.0)
    assert claims[1] == "The study has not been shown to detect useful weights, so the absence of a gain means little."
    assert claims[2] == "A gain over no auxiliary is to be judged beside what random weights gain."


def test_one_seed_supports_no_claim(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 20.0, "own_modality": 20.0}, seeds=1)
    assert claims == [
        "Whether auxiliaries of other modalities do more than random weights cannot be said yet.",
        "What the study can detect is unknown yet.",
        "No pair can be compared with its baseline yet.",
    ]


def test_nothing_complete_says_nothing(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path)
    (found,) = summaries(records.table(planned.specs, planned.runs))
    assert [statement.claim for statement in headline(found)] == ["No run is complete yet: this study says nothing so far."]


@pytest.mark.parametrize(("value", "text"), [(1.234, "+1.23"), (-0.5, "−0.50"), (-0.001, "0.00"), (0.0, "0.00")])
def test_differences_are_signed(value: float, text: str) -> None:
    assert signed(value) == text

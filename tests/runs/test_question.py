"""What is the same question, and what is another one."""

from typing import Any

import pytest

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.question import former_question, question, reached, recipes
from m2pt.runs.spec import PretrainSpec, RunSpec, WeightsRef
from tests.specs import labels_spec, pretrain_spec, run_spec

STUDY = """
study: tiny
encoders: {mae: {kind: mae, seed: 0}, labels: {kind: labels, start: mae}, public: {kind: file, paths: {image: a.pt}}}
sweep: {seeds: [0, 1, 2, 3], targets: [image, audio]}
"""
FILES = """
study: tiny
encoders: {mae: {kind: file, paths: {image: a.pt, audio: b.pt}}}
sweep: {seeds: [0, 1, 2, 3], targets: [image, audio]}
"""


def study(text: str = STUDY) -> Study:
    return parse_study(text, "tiny.yaml")


def trainings(**changes: Any) -> list[PretrainSpec]:
    """Those of `mae` for both modalities; the changes are those of audio."""
    return [pretrain_spec(), pretrain_spec(modality="audio", **changes)]


def asked(spec: RunSpec, made: list[PretrainSpec] | None = None, text: str = STUDY) -> str:
    return question(study(text), spec, recipes(study(text), trainings() if made is None else made))


def test_a_question_is_the_same_for_every_draw_and_name():
    other = {**run_spec().target_weights.model_dump(), "sha256": "c" * 64}
    same = [
        asked(run_spec()),
        asked(run_spec(seed=7)),
        asked(run_spec(), text=STUDY.replace("tiny", "other").replace("[0, 1, 2, 3]", "[5]")),
        asked(run_spec(target_weights=other), [pretrain_spec(seed=1), pretrain_spec(modality="audio", seed=1)]),
        asked(run_spec(), [*trainings(), *[item.model_copy(update={"seed": 5}) for item in trainings()]]),
    ]
    assert len(set(same)) == 1
    assert same[0].startswith("image-from-audio-pathway-pretrained-full-")


@pytest.mark.parametrize(
    "changes",
    [
        {"auxiliary": "point"},
        {"method": "random_auxiliary"},
        {"data_sha256": "e" * 64},
        {"finetune": run_spec().finetune.model_copy(update={"epochs": 4})},
    ],
)
def test_another_run_is_another_question(changes: dict[str, Any]):
    assert asked(run_spec(**changes)) != asked(run_spec())


@pytest.mark.parametrize(
    "changes",
    [
        {"pretrain": pretrain_spec().pretrain.model_copy(update={"steps": 9})},
        {"data_sha256": "e" * 64},
        {"samples": "noise"},
        {"input": pretrain_spec().input.model_copy(update={"patch": 2})},
    ],
)
def test_an_encoder_that_the_run_reaches_and_is_made_otherwise_is_another_question(changes: dict[str, Any]):
    assert asked(run_spec(), trainings(**changes)) != asked(run_spec())


def test_what_an_encoder_goes_on_from_is_reached_too():
    spec = run_spec(auxiliary_weights=WeightsRef(source="labels", modality="audio", sha256="b" * 64))
    further = labels_spec("a" * 64, modality="audio").model_copy(update={"source": "labels"})
    made = [*trainings(), further]
    assert reached(study(), spec) == ("labels", "mae")
    assert asked(spec, made) == asked(spec, [*made[:2], further.model_copy(update={"seed": 3})])
    assert asked(spec, made) != asked(spec, [*trainings(data_sha256="e" * 64), further])


def test_what_the_run_does_not_reach_does_not_count():
    unrelated = labels_spec("a" * 64).model_copy(update={"source": "labels"})
    longer = unrelated.model_copy(update={"pretrain": unrelated.pretrain.model_copy(update={"steps": 9})})
    assert asked(run_spec()) == asked(run_spec(), [*trainings(), unrelated]) == asked(run_spec(), [*trainings(), longer])
    other = STUDY.replace("a.pt", "c.pt").replace("{kind: labels, start: mae}", "{kind: labels, start: mae, steps: 9}")
    assert asked(run_spec(), text=other) == asked(run_spec())
    assert asked(run_spec(), text=STUDY + "pretrain: {labels: {steps: 9}}") == asked(run_spec())
    assert reached(study(), run_spec()) == ("mae",)


def test_other_weights_from_a_file_are_another_question():
    moved = FILES.replace("a.pt", "elsewhere/a.pt")
    other = {**run_spec().target_weights.model_dump(), "sha256": "c" * 64}
    assert asked(run_spec(), [], FILES) == asked(run_spec(), [], moved)
    assert asked(run_spec(), [], FILES) != asked(run_spec(target_weights=other), [], FILES)


def test_the_names_in_old_journals_stay_what_they_were():
    """The golden name is what the code wrote before questions left out encoders that are not reached."""
    assert former_question(study(), run_spec()) == "image-from-audio-pathway-pretrained-full-7c9b325f"
    assert former_question(study(), run_spec(seed=3)) == former_question(study(), run_spec())

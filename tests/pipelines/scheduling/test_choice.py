"""What a form may choose of a study, and the sentence for what it may not."""

from pathlib import Path

import pytest

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from pipelines.planning.plan import resolve
from pipelines.scheduling.choice import EVERYTHING, Choice, choose, require_runs

STUDY = """
study: chosen
data: {root: data}
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
sweep: {seeds: [0, 1, 2], targets: [image, audio], auxiliaries: [image, audio, point], auxiliary_encoder: mae+labels,
        methods: [baseline, pathway, random_auxiliary]}
"""
PARTS = """
parts:
  - {name: few, set: {sweep.targets: [image], sweep.methods: [baseline]}}
  - {name: other, set: {sweep.targets: [audio], sweep.methods: [zero_scale]}}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return parse_study(STUDY, "chosen.yaml")


def test_an_empty_form_chooses_everything(study: Study):
    plan = resolve(study)
    for empty in ((), [], None):
        assert choose(study, empty, empty, empty, 0) == EVERYTHING
    assert EVERYTHING.runs(plan) == list(plan.runs)
    assert EVERYTHING.encoders(plan) == list(plan.pretrain)


def test_a_choice_has_its_runs_and_the_encoders_that_they_load(study: Study):
    plan = resolve(study)
    choice = choose(study, [1], ["pathway", "baseline"], ["audio"], 1.5)
    assert choice.budget_s == 90.0
    assert [spec.name for spec in choice.runs(plan)] == [
        "audio-baseline-pretrained-full-s1",
        "audio-from-image-pathway-pretrained-full-s1",
        "audio-from-point-pathway-pretrained-full-s1",
    ]
    # The target starts from its mae encoder; the auxiliaries are trained with labels from theirs.
    assert {spec.name for spec in choice.encoders(plan)} == {
        "audio-mae-s0", "image-mae-s0", "point-mae-s0", "image-mae-labels-s0", "point-mae-labels-s0",
    }  # fmt: skip
    assert {spec.name for spec in Choice(methods=frozenset({"baseline"})).encoders(plan)} == {"audio-mae-s0", "image-mae-s0"}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (([7], (), (), 0), "seeds: the study chosen has no seed 7; it declares 0, 1, 2."),
        ((["a"], (), (), 0), "seeds: 'a' is no whole number; give seeds of the study, such as 0."),
        (([True], (), (), 0), "seeds: True is no whole number; give seeds of the study, such as 0."),
        (("0, 1", (), (), 0), "seeds: '0, 1' is no list; give a list of them, or none for all."),
        (
            ((), ["patway"], (), 0),
            "methods: the study chosen has no method 'patway'; did you mean pathway? It declares baseline, pathway, "
            "random_auxiliary.",
        ),
        (
            ((), ["lora"], (), 0),
            "methods: the study chosen has no method 'lora'. It declares baseline, pathway, random_auxiliary.",
        ),
        (((), (), ["point"], 0), "targets: the study chosen has no target 'point'. It declares audio, image."),
        (((), (), {"image": 1}, 0), "targets: {'image': 1} is no list; give a list of them, or none for all."),
        *(
            (
                ((), (), (), minutes),
                f"budget_minutes: {minutes!r} is no number of minutes; give one above 0 and up to 527040 (a year), or 0 for no "
                "limit.",
            )
            for minutes in (-1, "long", float("nan"), float("inf"), 1e300, 10**400)
        ),
    ],
)
def test_what_the_study_does_not_have_is_said(study: Study, form: tuple[object, object, object, object], sentence: str):
    with pytest.raises(UserError) as refused:
        choose(study, *form)
    assert str(refused.value) == sentence


def test_parts_that_do_not_meet_are_said(study: Study):
    parted = parse_study(STUDY + PARTS, "chosen.yaml")
    choice = choose(parted, (), ["zero_scale"], ["image"], 0)
    with pytest.raises(UserError, match="no run of the study chosen has these together: its parts have different ones"):
        require_runs(choice, resolve(parted))
    require_runs(choose(parted, (), ["zero_scale"], ["audio"], 0), resolve(parted))


def test_a_study_that_chooses_by_all_its_trials_is_done_as_a_whole(study: Study):
    search = "search: {trials: 2, seeds: [9], method: pathway, ranges: {pathway.scale_init: {low: 0.0, high: 0.1}}}\n"
    searched = parse_study(STUDY + search, "chosen.yaml")
    with pytest.raises(UserError, match="the study chosen chooses rates or values by all of its trials"):
        choose(searched, [0], (), (), 0)
    assert choose(searched, (), (), (), 3) == Choice(budget_s=180.0)

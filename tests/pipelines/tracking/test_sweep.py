"""The titles of sweeps: what a person can read, and what tells two of them apart."""

import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.identity import RECIPE_VERSION
from pipelines.planning.plan import sweep_id
from pipelines.tracking.sweep import sweep_of

_STUDY = """
study: embedded
encoders: {{mae: {{kind: mae}}}}
sweep: {{{sweep}}}
{rest}
"""


def study(sweep: str, rest: str = "") -> Study:
    return parse_study(_STUDY.format(sweep=sweep, rest=rest), "a.yaml")


@pytest.mark.parametrize(
    ("sweep", "rest", "title"),
    [
        (
            "seeds: [0, 1, 2, 3], methods: [baseline, pathway, random_auxiliary]",
            "",
            "4 targets, 3 methods, seeds 0 to 3",
        ),
        ("seeds: [7], targets: [image, audio], methods: [baseline]", "", "image and audio, baseline, seed 7"),
        (
            "seeds: [5, 1], targets: [point], methods: [baseline, pathway], settings: [pretrained, scratch], tunings: [fix]",
            "",
            "point, baseline and pathway, seeds 1, 5, pretrained, scratch, fix tuning",
        ),
        (
            "seeds: [1, 3, 5, 7], targets: [point], methods: [baseline]",
            "parts: [{name: a, set: {}}, {name: b, set: {finetune.samples: 200}}]",
            "point, baseline, 4 seeds, 2 parts",
        ),
    ],
)
def test_a_title_says_which_study_what_it_compares_and_when(
    sweep: str, rest: str, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no repository, so that nothing is known of what was declared before
    when = datetime(2026, 3, 4, 5, 6).astimezone()
    assert sweep_of(study(sweep, rest), when).title == f"embedded: {title} · 2026-03-04 05:06"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, as current folder, that has a study as it was committed."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(_STUDY.format(sweep="seeds: [0], methods: [baseline, pathway]", rest=""))
    Path("other.yaml").write_text(_STUDY.format(sweep="seeds: [9]", rest="").replace("embedded", "embedded-too"))
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "A study"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("sweep", "rest", "what"),
    [
        ("seeds: [0], methods: [baseline, pathway]", "", "4 targets, baseline and pathway, seed 0"),
        ("seeds: [0], methods: [baseline, pathway]", "finetune: {learning_rate: 0.002}", "finetune.learning_rate=0.002"),
        ("seeds: [0], methods: [baseline, pathway]", "pathway: {scale_lr_multiple: 3}", "scale_lr_multiple=3.0"),
        ("seeds: [0, 1], methods: [baseline, pathway]", "model: {depth: 2}", "depth=2, seeds=0,1"),
        (
            "seeds: [0], methods: [baseline, pathway]",
            "finetune: {samples: 100, epochs: 2, batch_size: 8, warmup_steps: 1}",
            "finetune.batch_size=8, finetune.warmup_steps=1, samples=100, 1 more",
        ),
        (
            "seeds: [0], methods: [baseline, pathway]",
            "execution: {jobs_per_device: 2}",
            "4 targets, baseline and pathway, seed 0",
        ),
    ],
)
def test_a_title_says_what_changed_since_the_study_was_committed(repository: Path, sweep: str, rest: str, what: str) -> None:
    made = sweep_of(study(sweep, rest))
    assert made.title.rpartition(" · ")[0] == f"embedded: {what}"
    assert bool(made.changes) == ("targets" not in what)


def test_a_study_that_git_does_not_have_or_that_cannot_be_read_is_told_by_its_content(repository: Path) -> None:
    made = study("seeds: [0], methods: [baseline]").model_copy(update={"study": "new"})
    assert sweep_of(made).title.startswith("new: 4 targets, baseline, seed 0 · ")
    assert sweep_of(made.model_copy(update={"study": "embedded-too"})).changes != ()
    Path("params.yaml").write_text("study: embedded\nno: {such: key}\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", *identity, "commit", "-qam", "Another version's study"], check=True)
    assert sweep_of(study("seeds: [0], methods: [baseline]")).changes == ()


def test_the_settings_of_a_sweep_are_all_that_can_change_a_number() -> None:
    grid = "seeds: [0], methods: [baseline]"
    one, other = sweep_of(study(grid)), sweep_of(study(grid, "finetune: {learning_rate: 0.002}"))
    assert {key for key in one.params if one.params[key] != other.params[key]} == {"finetune.learning_rate"}
    assert one.id == f"{sweep_id(study(grid))}-{RECIPE_VERSION}" != other.id
    assert sweep_of(study(grid, "execution: {jobs_per_device: 2}")).params == one.params
    assert one.study == "embedded"


def test_of_an_experiment_in_a_copy_what_differs_from_the_project_comes_first(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project itself has been changed since its last commit, and all of its experiments with it."""
    grid = "seeds: [0], methods: [baseline, pathway]"
    changed = "finetune: {samples: 100, epochs: 2, batch_size: 8, warmup_steps: 1}"
    copy = repository / ".dvc/tmp/exps/copy"
    subprocess.run(["git", "clone", "-q", ".", copy], check=True)
    Path("params.yaml").write_text(_STUDY.format(sweep=grid, rest=changed))
    monkeypatch.setenv("DVC_EXP_NAME", "brisk-fox")
    monkeypatch.chdir(copy)
    made = sweep_of(study(grid, f"{changed}\npathway: {{scale_lr_multiple: 3}}"))
    assert made.title.rpartition(" · ")[0] == (
        "embedded: scale_lr_multiple=3.0, finetune.batch_size=8, finetune.warmup_steps=1, 2 more"
    )
    assert made.experiment == "brisk-fox"

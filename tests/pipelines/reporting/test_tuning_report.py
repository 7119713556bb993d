"""The report of a tuned study before, during and after its tuning, from runs that are made up."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import FAILURE, create_run
from m2pt.runs.spec import RunSpec
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import is_done, render_report
from tests.analysis import synthetic

STUDY = """
study: tuned
data: {root: data}
model: {width: 16, depth: 2, heads: 2}
encoders: {}
finetune: {epochs: 2}
sweep:
  seeds: [0, 1, 2]
  targets: [image]
  auxiliaries: [image, audio]
  methods: [baseline, pathway, random_auxiliary]
  settings: [scratch]
  target_encoder: random
  auxiliary_encoder: random
  tune: {learning_rates: [3e-4, 1e-3, 3e-3], scale_lr_multiples: [10, 100], seeds: [50, 51]}
"""
RUNS = Path("runs/tuned")


def score(spec: RunSpec) -> float:
    """On tuning seeds 7 points above the rest at one rate of each arm; no other run has a score like 9x."""
    if spec.seed >= 50:
        return 90.0 + 7 * (spec.finetune.learning_rate == (3e-3 if spec.method == "baseline" else 1e-3)) + spec.seed % 50 / 4
    return 60.0 + 2 * (spec.method == "pathway") + spec.seed


def write(specs: list[RunSpec], fails: Callable[[RunSpec], bool] = lambda spec: False) -> None:
    study = parse_study(STUDY, "tuned.yaml")
    for spec in specs:
        if fails(spec):
            failure = {"error": "the loss of epoch 1 is not | finite.", "details": "", "kind": "error"}
            documents.write_json(create_run(RUNS, spec) / FAILURE, failure)
        else:
            synthetic.write_run(synthetic.Planned(study, [], [], RUNS, RUNS), spec, score(spec))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three reports: `before` any run, `during` the tuning, and `after` everything."""
    root = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        Path("data/image").mkdir(parents=True)
        Path("data/image/one.txt").write_text("1")
        study = parse_study(STUDY, "tuned.yaml")
        render_report(resolve(study), root / "before")
        write([spec for spec in resolve(study).runs if spec.method == "baseline"])
        render_report(resolve(study), root / "during")
        write(resolve(study).runs, lambda spec: spec.method == "pathway" and spec.finetune.learning_rate == 3e-3)
        write([spec for spec in resolve(study).runs if spec.seed < 50])
        render_report(resolve(study), root / "after")
        assert is_done(resolve(study), root / "after")
        assert not is_done(resolve(study), root / "nowhere")
    return root


def text(reports: Path, name: str) -> str:
    return (reports / name / "report.md").read_text()


def section(document: str, title: str) -> str:
    return document.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_before_the_choice_nothing_is_compared_and_what_is_missing_says_so(reports: Path) -> None:
    before = text(reports, "before")
    assert "No run of this study is compared yet" in before
    assert "Nothing is compared before rates are chosen." in before
    assert "This report is incomplete" in before
    assert "has no run on" not in before, "its runs are planned, only their rates are not known"
    assert "The rates of 3 of 3 arms are not chosen yet" in section(before, "What is missing")


def test_during_the_tuning_the_arms_that_wait_are_named(reports: Path) -> None:
    during = text(reports, "during")
    assert "The rates of 2 of 3 arms are not chosen yet" in during
    rows = section(during, "Tuning of each arm").splitlines()
    assert any(row.startswith("| `baseline` | 6 of 6 | 0.003 | – | 97.63") for row in rows)
    assert "| `pathway` from audio | 0 of 6 | – | – | – | – | not chosen yet |" in rows


def test_no_claim_is_made_while_rates_of_the_main_question_are_still_chosen(reports: Path) -> None:
    """The runs that are planned so far are all complete, but those of the arms that wait are none of them."""
    assert "No claim is made yet: 6 of 6 runs of the main question have not ended" in text(reports, "during")


def test_after_it_the_section_has_every_choice_and_every_trial(reports: Path) -> None:
    after = section(text(reports, "after"), "Tuning of each arm")
    rows = after.splitlines()
    assert "from 6 values for each arm, by the mean validation score on seeds 50, 51" in after
    end = "learning rate at the end of the grid"
    assert f"| `baseline` | 6 of 6 | 0.003 | – | 97.63 | 7.00 | {end} |" in rows
    assert any(row.startswith("| `pathway` from audio | 4 of 6 | 0.001 | 10 | 97.63 | 7.00 | 2 failed; multiple") for row in rows)
    assert any(row.startswith("| `random_auxiliary` from random | 6 of 6 | 0.001 | 10 |") and "tied with" in row for row in rows)
    assert "| `pathway` from audio | 90.63 | **97.63** | – |" in rows
    assert "| `pathway` from audio | 0.003 | 100 | – | failed: the loss of epoch 1 is not \\| finite." in after
    assert after.count("**chosen**") == 3
    assert (reports / "after/figures/tuning-image-scratch-full.svg").is_file()
    assert 'id="tuning"' in (reports / "after/chosen.html").read_text()


def test_claims_and_caveats_say_that_arms_were_not_tuned_equally_and_which_are_at_an_end(reports: Path) -> None:
    says = section(text(reports, "after"), "What it says")
    claims = [line for line in says.splitlines() if line[:2] in ("1.", "2.", "3.")]
    assert claims
    assert all("Not all arms were tuned equally: pathway on image from audio 4 of 6 trials." in line for line in claims)
    assert "other arms on image were chosen from 6 complete trials, but `pathway` on image from audio 4." in says
    assert "the largest that was tried, for `baseline` on image" in says


def test_no_test_score_of_a_tuning_run_is_shown(reports: Path) -> None:
    results = (reports / "after/results.csv").read_text()
    assert "-s0-" in results
    assert "-s50-" not in results
    assert "-s50" not in text(reports, "after")
    table = (reports / "after/plots/tuning.csv").read_text().splitlines()
    assert table[0].endswith("state,mean_val_score,chosen,reason")
    assert len(table) == 1 + 3 * 6


def test_the_settings_as_run_give_each_arm_its_own_rates(reports: Path) -> None:
    block = section(text(reports, "after"), "Data and settings").partition("```json\n")[2].partition("\n```")[0]
    settings = json.loads(block)
    place = {"target": "image", "setting": "scratch", "tuning": "full"}
    assert {"method": "baseline", "finetune.learning_rate": 0.003, **place} in settings["rates"]
    assert len(settings["training"]) == 1
    assert "learning_rate" not in settings["training"][0]["finetune"]
    assert all("scale_lr_multiple" not in form["pathway"] for form in settings["pathway"])

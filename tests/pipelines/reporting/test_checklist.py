"""The filled-in checklist: answers from records in the tracked report, what differs between executions locally."""

from dataclasses import replace
from pathlib import Path

import pytest

from m2pt.modalities.registry import SPECS
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record, write_record
from pipelines.reporting import report
from tests.analysis import synthetic


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checklist")
    planned = synthetic.complete(synthetic.plan(root, 3, targets=("image", "audio"), epochs=2))
    synthetic.write_failure(planned, planned.specs[0], "no space.")
    return report.render(planned.source, root / "reports").parent


def _answers(path: Path, title: str) -> dict[str, str]:
    part = path.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.removeprefix("- **") for line in part.splitlines() if line.startswith("- **")]
    return dict(line.split("**: ", 1) for line in lines)


def test_the_report_answers_what_is_the_same_after_every_execution(out: Path) -> None:
    answers = _answers(out / "report.md", "Checklist")
    assert answers["Seeds"].startswith("Fine-tuning seeds 0, 1, 2; one pretraining seed of each encoder.")
    assert answers["Runs"].startswith("24 planned; 23 complete, 1 failed.")
    assert "no run of the study chose any" in answers["Hyperparameters"]
    assert answers["Evaluation"].startswith("Test accuracy of the last epoch's weights")
    for name in ("image", "audio"):
        assert SPECS[name].rights in answers["Data and licences"]
    assert answers["Models"].startswith("Final models have 205,000 parameters; in training, 205,000 to 400,000 had gradients")
    assert "[kept apart](#costs)" in answers["Compute"]
    assert answers["Integrity"].startswith("0 complete runs vouched for themselves when this report was made: ")
    assert answers["Integrity"].endswith(" 23 records of older code without a seal.")
    for local in ("a processor", "abc1234", "2.13.0", " min", "MiB"):
        assert local not in " ".join(answers.values())


def test_the_first_lines_say_how_many_runs_and_seeds_there_are(out: Path) -> None:
    first = (out / "report.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert first.startswith("24 planned runs over 3 seeds: 23 complete, 1 failed. Scores are test accuracy in percent")
    seeds = "3 seeds, the same for every method; each encoder was pretrained once, so claims are about these encoders"
    assert _answers(out / "report.md", "In short")["Seeds"] == seeds


def test_what_differs_between_executions_is_answered_on_the_local_page(out: Path) -> None:
    answers = _answers(out / "local" / "costs.md", "Checklist: compute")
    assert answers["Devices"].startswith("a processor (") and answers["Largest peak of memory"] == "117 MiB"
    assert answers["Energy"] == "not reported by the devices"
    assert answers["Last verified"].startswith("never: ")
    assert "torch 2.13.0" in answers["Versions"] and answers["Commits"] == "abc1234abc12"


def test_the_report_says_how_many_runs_vouched_for_themselves_and_when_all_was_last_verified(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, 2, targets=("image", "audio"), epochs=2))
    run_dir = planned.runs / run_id(planned.specs[0])
    write_record(run_dir, read_record(run_dir, FinetuneRecord))
    out = report.render(replace(planned.source, verified="2026-11-27 10:00:00 UTC"), tmp_path / "reports").parent
    integrity = _answers(out / "report.md", "Checklist")["Integrity"]
    assert integrity.startswith("1 complete run vouched for itself when this report was made: ")
    assert "2026-11-27" not in integrity
    assert _answers(out / "local" / "costs.md", "Checklist: compute")["Last verified"] == "2026-11-27 10:00:00 UTC"


def test_of_the_users_own_data_no_licence_is_made_up(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, 2, targets=("image", "audio"), epochs=2))
    own = planned.study.model_copy(update={"data": planned.study.data.model_copy(update={"embedded": None})})
    source = replace(planned, study=own).source
    text = report.render(source, tmp_path / "reports").with_name("report.md")
    assert "Image: licence to be stated by whoever publishes this" in _answers(text, "Checklist")["Data and licences"]

"""Rot of a search: a damaged journal, or a damaged file of a trial, changes no choice and no result."""

import json
import shutil
from pathlib import Path

import pytest

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.folder import HISTORY, RECORD, RunState
from pipelines.__main__ import main
from pipelines.execution import search
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.housekeeping.faults import faults_of
from pipelines.planning.plan import resolve
from tests.faults.damage import DAMAGES
from tests.faults.rotten import STUDY, complete, do, folder_of, results

pytestmark = pytest.mark.patient

SEARCH = STUDY.replace(": rot", ": seek") + (
    "search: {trials: 2, seeds: [100], method: pathway, ranges: {pathway.scale_lr_multiple: {low: 1, high: 1000, log: true}}}\n"
)
JOURNAL = Path("runs/seek/search.json")


def start(study: Study) -> None:
    """Do what is left of the search and of the study."""
    with Session(study, Display()) as session:
        session.tidy()
        for spec in session.plan.unfinished(session.plan.pretrain):
            do(session, spec)
        session.look_again()
        search.run_trials(session, lambda _, specs: [do(session, spec) for spec in session.plan.unfinished(specs)])
    complete(study)


@pytest.fixture(scope="module")
def searched(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    shutil.copytree(whole / "data", folder / "data")
    (folder / "study.yaml").write_text(SEARCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        start(study := parse_study(SEARCH, "study.yaml"))
        (folder / "results.csv").write_bytes(results(study))
    return folder


@pytest.fixture
def study(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    shutil.copytree(searched, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return parse_study(SEARCH, "study.yaml")


def comes_back(study: Study) -> None:
    """A start makes everything as it was."""
    start(study)
    assert not faults_of(study).sentences
    assert results(study) == Path("results.csv").read_bytes()


def other_values(path: Path) -> None:
    """What a trial was, changed by hand."""
    path.write_text(path.read_text().replace('"pathway.scale_lr_multiple": ', '"pathway.scale_lr_multiple": 1'))


@pytest.mark.parametrize("how", [*DAMAGES, "edited"])
def test_a_damaged_journal_is_named_and_comes_back_the_same_from_the_runs(
    study: Study, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, runs = JOURNAL.read_bytes(), sorted(path.name for path in JOURNAL.parent.iterdir())
    DAMAGES.get(how, other_values)(JOURNAL)
    if how != "deleted":
        for command, code in (("plan", 1), ("status", 1), ("verify", 1), ("report", 2), ("gc", 2)):
            assert main([command, "--study", "study.yaml"]) == code
            told = capsys.readouterr()
            assert f"{JOURNAL}: " in told.out + told.err, command
    comes_back(study)
    assert JOURNAL.read_bytes() == before
    assert sorted(path.name for path in JOURNAL.parent.iterdir()) == runs


def test_the_journal_of_another_study_is_kept_and_not_gone_on_with(study: Study) -> None:
    before = JOURNAL.read_bytes()
    other = parse_study(SEARCH.replace("study: seek", "study: other").replace("high: 1000", "high: 500"), "other.yaml")
    start(other)
    shutil.copyfile("runs/other/search.json", JOURNAL)
    comes_back(study)
    assert JOURNAL.read_bytes() == before


@pytest.mark.parametrize("how", [*DAMAGES, "raised"])
@pytest.mark.parametrize("name", [RECORD, HISTORY])
def test_a_damaged_trial_chooses_nothing_and_is_done_again(study: Study, name: str, how: str) -> None:
    def raised(path: Path) -> None:
        record = json.loads(path.read_text()) if name == RECORD else {}
        path.write_text(json.dumps(record | {"val_score": 99.0}, indent=1, sort_keys=True) + "\n")

    plan = resolve(study)
    worse = next(trial for trial in plan.trials if plan.chosen is not None and trial.number != plan.chosen.number)
    (spec,) = plan.parts[worse.name]
    DAMAGES.get(how, raised)(folder_of(plan, spec) / name)
    again = resolve(study)
    assert again.trials[worse.number].state == "unfinished" and again.chosen is None
    assert again.state(spec) != RunState.COMPLETE
    comes_back(study)
    assert resolve(study).trials == plan.trials

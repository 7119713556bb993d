"""Rot of what no number is made from: files of unfinished runs, what is known of attempts, decoded samples.

Whatever happens to them, nothing of a study stops, the next start completes it, and the results are those of an undamaged one.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from m2pt.config import Study
from m2pt.runs.folder import ATTEMPT, CHECKPOINT, ENCODER, EXECUTION, FAILURE, HISTORY, INPUTS, SPEC, TIMES, RunState
from m2pt.runs.spec import Spec
from m2pt.training import sources
from m2pt.training.stopping import Stop
from pipelines.__main__ import main
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.housekeeping.faults import faults_of
from pipelines.planning.plan import Plan, resolve
from pipelines.tracking import study as tracking
from tests.faults.damage import DAMAGES
from tests.faults.rotten import complete, do, folder_of, results
from tests.pipelines.tracking.lines_tracker import LinesTracker

Damage = Callable[[Path], None]


class Asked(Stop):
    """Is asked to stop, and cuts nothing off: its process is that of the tests."""

    def _cut_off(self, code: int) -> None:
        pass


def edit(path: Path) -> None:
    """Change a file as a person would: it stays one of its kind."""
    text = path.read_text()
    for old, new in (('"epochs": 2', '"epochs": 3'), ('"val/accuracy": ', '"val/accuracy": 9'), ("2026-", "soon "), (":", ": ")):
        if old in text:
            path.write_text(text.replace(old, new))
            return


def swap(path: Path) -> None:
    """Put the file of another run in its place."""
    own = path.parent.parent if path.parent.name == "local" else path.parent
    other = next(run_dir for run_dir in sorted(own.parent.iterdir()) if run_dir.is_dir() and run_dir != own)
    if (other / path.relative_to(own)).is_file():
        shutil.copyfile(other / path.relative_to(own), path)


ALL: dict[str, Damage] = {**DAMAGES, "swapped": swap, "edited": edit}
TEXTS = (SPEC, HISTORY, INPUTS, EXECUTION, TIMES, ATTEMPT)
NAMED = {(SPEC, how) for how in ALL} | {(CHECKPOINT, how) for how in ("truncated", "emptied", "flipped")}
NAMED |= {(name, how) for name in (INPUTS, EXECUTION, ATTEMPT) for how in ("truncated", "emptied")} | {(EXECUTION, "edited")}
"""What `m2pt verify` tells; all else is left out because it is written again in any case."""

QUICK = {(SPEC, "flipped"), (CHECKPOINT, "truncated"), (EXECUTION, "edited"), (INPUTS, "emptied")}
CASES = [
    pytest.param(name, how, marks=() if (name, how) in QUICK else pytest.mark.patient, id=f"{name.removeprefix('local/')}-{how}")
    for name in (*TEXTS, CHECKPOINT)
    for how in (ALL if name in TEXTS else DAMAGES)
]


def begin(study: Study, kind: str) -> Spec:
    """Do a complete run or encoder again, up to its first epoch, with what a killed attempt leaves."""
    spec = resolve(study).pretrain[0] if kind == "encoder" else resolve(study).runs[1]
    run_dir = folder_of(resolve(study), spec)
    shutil.rmtree(run_dir)
    with Session(study, Display()) as session:
        stop = Asked()
        with stop.watching(
            lambda: (run_dir / HISTORY).is_file() and (kind == "encoder" or (run_dir / HISTORY).stat().st_size > 0)
        ):
            do(session, spec, stop)
    assert resolve(study).state(spec) == RunState.INTERRUPTED and (run_dir / CHECKPOINT).is_file()
    (killed,) = json.loads((run_dir / EXECUTION).read_text())["attempts"]
    (run_dir / ATTEMPT).write_text(json.dumps(killed))
    return spec


@pytest.fixture
def before(study: Study) -> dict[str, bytes]:
    """Every kept file of the study."""
    return kept()


def kept() -> dict[str, bytes]:
    """The files of runs and encoders that are equal between identical executions."""
    files = [path for home in ("runs/rot", "encoders/rot") for path in Path(home).rglob("*")]
    return {str(path): path.read_bytes() for path in files if path.is_file() and "/local/" not in str(path)}


def goes_well(study: Study, before: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> str:
    """Complete the study as it is; returns what was said meanwhile."""
    capsys.readouterr()
    for command in ("status", "plan"):
        assert main([command, "--study", "study.yaml"]) == 0, capsys.readouterr()
    complete(study)
    assert not faults_of(study).sentences
    assert kept() == before and results(study) == Path("results.csv").read_bytes()
    return capsys.readouterr().out


@pytest.mark.parametrize(("name", "how"), CASES)
def test_a_damaged_file_of_an_unfinished_run_costs_time_alone(
    study: Study, before: dict[str, bytes], name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder_of(resolve(study), begin(study, "run")) / name
    ALL[how](path)
    if (name, how) in NAMED:
        assert any(str(path) in sentence for sentence in faults_of(study).sentences)
    said = goes_well(study, before, capsys)
    assert (f"{path}: " in said and "it is written again." in said) == (name == SPEC and how != "deleted"), said


@pytest.mark.patient
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", [SPEC, CHECKPOINT])
def test_a_damaged_file_of_an_unfinished_encoder_costs_time_alone(
    study: Study, before: dict[str, bytes], name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[how](folder_of(resolve(study), begin(study, "encoder")) / name)
    goes_well(study, before, capsys)


@pytest.mark.patient
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_reason_of_a_failure_costs_nothing(
    study: Study, before: dict[str, bytes], how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder_of(resolve(study), begin(study, "run")) / FAILURE
    path.write_text(json.dumps({"error": "the disk was full", "details": "", "kind": "error"}))
    DAMAGES[how](path)
    assert main(["status", "--study", "study.yaml"]) == (how != "deleted")
    complete(study)
    assert kept() == before and results(study) == Path("results.csv").read_bytes()


@pytest.mark.parametrize("how", ["swapped", *(pytest.param(how, marks=pytest.mark.patient) for how in DAMAGES)])
def test_an_encoder_that_is_not_the_one_of_the_plan_is_no_auxiliary(
    study: Study, before: dict[str, bytes], how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is damaged while a run that starts from it is unfinished."""
    begin(study, "run")
    path = folder_of(resolve(study), resolve(study).pretrain[0]) / ENCODER
    ALL[how](path)
    with Session(study, Display()) as session, pytest.raises(AssertionError, match=ENCODER):
        do(session, resolve(study).runs[1])  # without a look at the encoders before it
    complete(study)
    assert f"{path}: is" in capsys.readouterr().out
    assert kept() == before and results(study) == Path("results.csv").read_bytes()


@pytest.mark.patient
@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_decoded_samples_are_decoded_again(study: Study, before: dict[str, bytes], how: str) -> None:
    decoded = sorted(Path(".m2pt/cache").glob("*/*.safetensors"))
    was = [contents(path) for path in decoded]
    assert {path.stem for path in decoded} >= {"train", "val", "test", "pretrain"}
    for path in decoded:
        DAMAGES[how](path)
    for home in ("runs", "encoders"):
        shutil.rmtree(home)
    sources._decoded.cache_clear()  # what this process has read already
    complete(study)
    assert [contents(path) for path in decoded] == was
    assert kept() == before


def contents(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """What a file of tensors holds, whose facts are in no order."""
    with safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}


class Lines(LinesTracker):
    """A tracker that a study can be published to."""


def published(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said when a study that is done publishes what it owes."""
    said: list[str] = []
    monkeypatch.setattr(tracking, "tracker_of", lambda plan: Lines(tracking.sweep_of(plan.study, tracking.last_run(plan))))
    tracking.publish_owed(plan, Path("reports"), said.append)
    return said


@pytest.mark.parametrize("how", ["edited", *(pytest.param(how, marks=pytest.mark.patient) for how in DAMAGES)])
@pytest.mark.parametrize("name", [EXECUTION, TIMES, INPUTS])
def test_what_is_known_of_a_finished_run_beside_its_numbers_holds_nothing_up(
    study: Study, name: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = resolve(study)
    ALL[how](folder_of(plan, plan.runs[0]) / name)
    for command in ("status", "plan"):
        assert main([command, "--study", "study.yaml"]) == 0
    assert published(resolve(study), monkeypatch) == ["rot: publishing what the tracker may lack."]
    assert published(resolve(study), monkeypatch) == []
    assert results(study) == Path("results.csv").read_bytes()


@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied"])
def test_a_damaged_merged_model_is_told_once_and_the_next_start_makes_it_again(
    study: Study, before: dict[str, bytes], how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = resolve(study)
    path = folder_of(plan, plan.runs[1]) / "merged.safetensors"
    DAMAGES[how](path)
    assert resolve(study).state(plan.runs[1]) == RunState.COMPLETE
    _, told = published(resolve(study), monkeypatch)
    assert told.startswith(f"{path}: is not the file that record.json speaks of, and the next start does the run again.")
    assert published(resolve(study), monkeypatch) == []
    assert resolve(study).state(plan.runs[1]) == RunState.FAILED
    complete(study)
    assert f"{path}: is not the file that record.json speaks of: the run was moved to" in capsys.readouterr().out
    assert kept() == before and not faults_of(study).sentences

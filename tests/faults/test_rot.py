"""Rot: each kind of file of a study, damaged in each way, is noticed before it reaches a number, is named, and is made good."""

import json
from pathlib import Path

import pytest

from m2pt.config import Study
from m2pt.runs.folder import ENCODER, HISTORY, MERGED, RECONSTRUCTIONS, RECORD, SPEC, TEST_SAMPLES
from m2pt.runs.table import read_table
from pipelines.__main__ import main
from pipelines.housekeeping.faults import faults_of
from pipelines.planning.folders import replaced_of, runs_folder
from pipelines.planning.plan import resolve
from tests.faults.damage import DAMAGES
from tests.faults.rotten import complete, folder_of, results

FILES = [
    *(("run", name) for name in (RECORD, HISTORY, SPEC, TEST_SAMPLES)),
    *(("encoder", name) for name in (RECORD, HISTORY, SPEC, ENCODER, RECONSTRUCTIONS)),
]
QUICK = {
    ("run", RECORD, "flipped"),
    ("run", HISTORY, "truncated"),
    ("encoder", ENCODER, "flipped"),
    ("encoder", ENCODER, "deleted"),
}
CASES = [
    pytest.param(kind, name, how, marks=() if (kind, name, how) in QUICK else pytest.mark.patient, id=f"{kind}-{name}-{how}")
    for kind, name in FILES
    for how in DAMAGES
    if (name, how) != (RECORD, "deleted")  # a run without a record is not complete, and goes on
]


@pytest.mark.parametrize(("kind", "name", "how"), CASES)
def test_a_damaged_file_of_a_finished_run_is_named_and_made_good(study: Study, kind: str, name: str, how: str) -> None:
    plan, before = resolve(study), Path("results.csv").read_bytes()
    spec = plan.pretrain[0] if kind == "encoder" else plan.runs[1]
    path = folder_of(plan, spec) / name
    DAMAGES[how](path)
    again = resolve(study)
    assert again.state(spec) == "failed"
    assert str(path) in again.failure(spec)
    assert any(str(path) in sentence for sentence in faults_of(study).sentences)
    rows = read_table(again.compared, runs_folder(study))
    assert list(rows["status"]).count("failed") == (kind == "run")
    complete(study)
    assert (replaced_of(path.parent.parent) / path.parent.name).is_dir()
    assert not faults_of(study).sentences
    assert results(study) == before


@pytest.mark.parametrize("score", [99.0, 250.0])
def test_a_raised_score_reaches_no_number(study: Study, score: float) -> None:
    plan = resolve(study)
    path = folder_of(plan, plan.runs[0]) / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test_score": score}, indent=1, sort_keys=True) + "\n")
    row = read_table(plan.runs, runs_folder(study)).iloc[0]
    assert row["status"] == "failed"
    assert str(path) in row["error"]
    assert row["test_score"] != score


def test_another_runs_files_are_not_taken_for_its_own(study: Study) -> None:
    plan = resolve(study)
    ours, theirs = (folder_of(plan, spec) for spec in plan.runs)
    for name in (RECORD, HISTORY, TEST_SAMPLES):
        kept = (ours / name).read_bytes()
        (ours / name).write_bytes((theirs / name).read_bytes())
        if (theirs / name).read_bytes() != kept:
            assert str(ours / name) in resolve(study).failure(plan.runs[0])
        (ours / name).write_bytes(kept)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_merged_model_is_named_by_verify(study: Study, how: str) -> None:
    plan = resolve(study)
    path = folder_of(plan, plan.runs[1]) / MERGED
    DAMAGES[how](path)
    assert [str(path) in sentence for sentence in faults_of(study).sentences] == [True]


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_embedded_data_are_named_refused_and_made_again(
    study: Study, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(path for path in sorted(Path("data/image").rglob("*")) if path.is_file() and path.stat().st_size > 100)
    before = path.read_bytes()
    DAMAGES[how](path)
    said = look(capsys)
    assert all("data/image: a file in it is not as it was made" in told for told in said.values())
    assert "4 complete" in said["status"] and "2 (2 complete)" in said["plan"], "the rest is shown"
    assert f"not as it was made: {path.relative_to('data/image')} (" in said["verify"]
    assert main(["data", "--study", "study.yaml"]) == 0
    assert path.read_bytes() == before
    assert results(study) == Path("results.csv").read_bytes()


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "deleted"])
def test_a_damaged_list_of_the_embedded_data_is_named_and_made_again(
    study: Study, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("data/embedded.json")
    before = path.read_bytes()
    DAMAGES[how](path)
    said = look(capsys)
    assert all("embedded.json" in told and "`m2pt data` makes the data again" in told for told in said.values())
    assert "4 complete" in said["status"] and "2 (2 complete)" in said["plan"], "the rest is shown"
    assert main(["data", "--study", "study.yaml"]) == 0
    assert path.read_bytes() == before
    assert results(study) == Path("results.csv").read_bytes()


def look(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the commands say that look at a damaged study; that which makes numbers of it refuses."""
    said = {}
    for command, code in (("plan", 1), ("status", 1), ("verify", 1), ("report", 2)):
        assert main([command, "--study", "study.yaml"]) == code
        told = capsys.readouterr()
        said[command] = told.out + told.err
    return said


def test_verify_counts_what_it_read_and_remembers_when_all_was_well(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--study", "study.yaml", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["faults"] == []
    assert document["counts"]["records"] == {"checked": 4, "faults": 0}
    assert document["unsealed"] == 0
    whole = document["last_whole"]
    Path("dvc.lock").write_text("[]")
    Path("mlflow.db").write_text("no database")
    assert main(["verify", "--study", "study.yaml"]) == 1
    told = capsys.readouterr().out
    assert "dvc.lock: is no lock of DVC" in told
    assert "mlflow.db: is no database of SQLite" in told
    assert f"2 faults; last without faults: {whole}" in told

"""Rot: each kind of file of a study, damaged in each way, is noticed before it reaches a number, is named, and is made good.

The study is real: two encoders and two fine-tuning runs, trained in this process.
"""

import json
import shutil
from pathlib import Path

import pytest

from m2pt import job
from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.data.embedded import write_embedded
from m2pt.runs.folder import ENCODER, HISTORY, MERGED, RECORD, SPEC, TEST_SAMPLES, create_run
from m2pt.runs.inputs import write_inputs
from m2pt.runs.spec import PretrainSpec, Spec
from m2pt.runs.table import read_table
from pipelines.__main__ import main
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.housekeeping.faults import faults_of
from pipelines.planning.folders import encoders_folder, replaced_of, runs_folder
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import Plan, resolve
from tests.faults.damage import DAMAGES

STUDY = """
study: rot
data: {root: data, embedded: {pretrain: 20, train: 40, val: 20, test: 20}}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae}}
pretrain: {mae: {steps: 4, batch_size: 4, warmup_steps: 1}}
finetune: {samples: 20, epochs: 2, batch_size: 10, warmup_steps: 1}
sweep: {seeds: [0], targets: [image], auxiliaries: [point], methods: [baseline, pathway], settings: [pretrained],
        target_encoder: mae, auxiliary_encoder: mae}
"""


def complete(study: Study) -> None:
    """Do what is left of the study, as its flows do."""
    with Session(study, Display()) as session:
        session.tidy()
        for kind in ("pretrain", "runs"):
            plan = session.look_again()
            for spec in plan.unfinished(getattr(plan, kind)):
                folder = encoders_folder(study) if isinstance(spec, PretrainSpec) else runs_folder(study)
                run_dir = create_run(folder, spec)
                write_inputs(run_dir, job_inputs(plan, spec))
                assert job.run(run_dir) is None


def results(study: Study) -> bytes:
    plan = resolve(study)
    return read_table(plan.compared, runs_folder(study)).to_csv(index=False).encode()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        study = parse_study(STUDY, "study.yaml")
        assert study.data.embedded is not None
        write_embedded(Path("data"), study.data.embedded)
        complete(study)
        (folder / "results.csv").write_bytes(results(study))
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    shutil.copytree(whole, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return parse_study(STUDY, "study.yaml")


def folder_of(plan: Plan, spec: Spec) -> Path:
    run_dir = plan.run_dir(spec)
    assert run_dir is not None
    return run_dir


FILES = [
    *(("run", name) for name in (RECORD, HISTORY, SPEC, TEST_SAMPLES)),
    *(("encoder", name) for name in (RECORD, HISTORY, SPEC, ENCODER)),
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


def test_a_changed_bit_of_embedded_data_is_refused_and_made_good(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(path for path in sorted(Path("data/image").rglob("*")) if path.is_file() and path.stat().st_size > 100)
    before = path.read_bytes()
    DAMAGES["flipped"](path)
    for command in ("plan", "status", "verify"):
        assert main([command, "--study", "study.yaml"]) in (1, 2)
        told = capsys.readouterr()
        assert "data/image: a file in it is not as it was made" in told.out + told.err
    assert main(["data", "--study", "study.yaml"]) == 0
    assert path.read_bytes() == before
    assert results(study) == Path("results.csv").read_bytes()


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

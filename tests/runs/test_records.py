"""Records: whole or not there, states of a run, and the table of many."""

import json
import os

import pytest

import m2pt
from m2pt.config import UserError
from m2pt.files import documents
from m2pt.runs.folder import FAILURE, HISTORY, RECORD, SPEC, create_run, read_spec, run_state
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.spec import WeightsRef
from m2pt.runs.table import read_runs, read_table
from tests.run_records import finetune_document
from tests.specs import pretrain_spec, run_spec


def test_writing_is_atomic_and_leaves_nothing_else_behind(tmp_path):
    path = tmp_path / "deep" / "file.json"
    documents.write_json(path, {"b": 1, "a": [1.5]})
    assert json.loads(path.read_text()) == {"a": [1.5], "b": 1}
    documents.write_json(path, {})
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_a_write_that_fails_keeps_the_old_file_and_says_why(tmp_path, monkeypatch):
    path = tmp_path / "file"
    documents.write_atomic(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"file: cannot be written \(No space left on device\)"):
        documents.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_states_of_a_run(tmp_path):
    run_dir = create_run(tmp_path, run_spec())
    assert run_dir.name == run_id(run_spec())
    assert run_state(run_dir) == "missing"
    (run_dir / HISTORY).write_text('{"epoch": 1}\n')
    assert run_state(run_dir) == "interrupted"
    documents.write_json(run_dir / FAILURE, {"error": "e", "details": "", "kind": "error"})
    assert run_state(run_dir) == "failed"
    documents.write_json(run_dir / RECORD, finetune_document(run_dir.name))
    assert run_state(run_dir) == "complete"


def test_a_spec_is_read_back_and_a_changed_one_refused(tmp_path):
    run_dir = create_run(tmp_path, run_spec())
    assert read_spec(run_dir) == run_spec()
    document = documents.read_json(run_dir / SPEC)
    document["spec"]["seed"] = 1
    documents.write_json(run_dir / SPEC, document)
    with pytest.raises(UserError, match="its id does not follow from its spec"):
        read_spec(run_dir)
    with pytest.raises(UserError, match="holds another run"):
        create_run(tmp_path, run_spec())
    (run_dir / SPEC).write_text("{")
    with pytest.raises(UserError, match=r"spec\.json: is not valid JSON"):
        read_spec(run_dir)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    path = tmp_path / HISTORY
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert documents.read_lines(path) == [{"epoch": 1}, {"epoch": 2}]
    assert documents.read_lines(tmp_path / "absent") == []


def test_the_table_has_a_row_for_every_planned_run_and_no_score_for_a_missing_one(tmp_path):
    complete, failed, missing = (run_spec(seed=seed) for seed in range(3))
    pending = run_spec(auxiliary_weights=WeightsRef(source="mae", modality="audio", sha256=None))
    merge = {"max_logit_difference": 1e-6, "parameters": 10, "plain_parameters": 10}
    documents.write_json(create_run(tmp_path, complete) / RECORD, finetune_document(run_id(complete), merge=merge))
    failure = {"error": "the disk is full.", "details": "", "kind": "error"}
    documents.write_json(create_run(tmp_path, failed) / FAILURE, failure)
    table = read_table([complete, failed, missing, pending], tmp_path)
    assert tuple(table.columns[:13]) == (
        "run_id", "target", "auxiliary", "method", "setting", "tuning", "seed", "replicate", "metric", "val_score", "test_score",
        "status", "scale_abs_mean",
    )  # fmt: skip
    assert table["status"].tolist() == ["complete", "failed", "missing", "missing"]
    assert table["test_score"].notna().tolist() == [True, False, False, False]
    assert table["test_score"][0] == 61.5
    assert table["merge_max_logit_difference"][0] == 1e-6
    assert table["error"][1] == "the disk is full."
    assert table["run_id"][3] == ""


def finished(folder, **changes):
    spec = run_spec(**changes)
    run_dir = create_run(folder, spec)
    documents.write_json(run_dir / RECORD, finetune_document(run_dir.name, test_score=61.5 + spec.seed))
    return run_dir


def test_the_runs_of_a_folder_are_those_that_can_be_compared(tmp_path):
    folder = tmp_path / "runs"
    for seed in (1, 0):
        finished(folder, seed=seed)
    create_run(folder, pretrain_spec())
    other = finished(folder, seed=2)
    document = documents.read_json(other / SPEC)
    documents.write_json(other / SPEC, document | {"recipe_version": RECIPE_VERSION - 1})
    finished(folder / ".replaced", seed=3)
    runs = read_runs(str(folder))
    assert runs[["seed", "test_score", "status"]].to_numpy().tolist() == [[0, 61.5, "complete"], [1, 62.5, "complete"]]


def test_a_folder_without_runs_and_a_damaged_spec_are_refused(tmp_path):
    with pytest.raises(UserError, match="elsewhere: has no run of this recipe version"):
        read_runs(tmp_path / "elsewhere")
    run_dir = finished(tmp_path / "runs")
    documents.write_json(run_dir / SPEC, {"spec": {}})
    with pytest.raises(UserError, match=r"spec.json: has no recipe_version"):
        read_runs(tmp_path / "runs")


@pytest.mark.parametrize("line", [b"[]", b"xx", b"null", b"3", b"\xff\xfe"])
def test_a_damaged_line_is_refused_by_file_and_number(tmp_path, line):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"epoch": 1}\n' + line + b"\n")
    with pytest.raises(UserError, match=r"history\.jsonl: line 2 is not a JSON object"):
        documents.read_lines(path)


@pytest.mark.parametrize("key", ["run_id", "recipe_version", "spec"])
def test_a_spec_without_one_of_its_keys_is_refused(tmp_path, key):
    run_dir = create_run(tmp_path, run_spec())
    document = documents.read_json(run_dir / SPEC)
    del document[key]
    documents.write_json(run_dir / SPEC, document)
    with pytest.raises(UserError, match=r"spec\.json: is not a run of this version of m2pt"):
        read_spec(run_dir)


def test_a_run_is_read_by_the_text_of_its_path_and_from_inside_its_folder(tmp_path, monkeypatch):
    run_dir = create_run(tmp_path, run_spec())
    documents.write_json(run_dir / RECORD, finetune_document(run_id=run_dir.name))
    assert m2pt.read_record(str(run_dir)) == m2pt.read_record(run_dir)
    assert m2pt.read_history(str(run_dir)) == []
    monkeypatch.chdir(run_dir)
    assert m2pt.read_record(".") == m2pt.read_record(run_dir)

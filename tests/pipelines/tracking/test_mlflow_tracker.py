"""What MLflow shows of runs and sweeps, read with its own client."""

import hashlib
import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from m2pt.config import UserError
from m2pt.files import documents
from m2pt.runs.folder import HISTORY, LOG, MERGED, RECORD, TIMES
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.tracking import metrics
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher, RunOnDisk
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd
from tests.pipelines import synthetic
from tests.pipelines.tracking.conftest import new_project
from tests.pipelines.tracking.mlflow_view import (
    STUDY,
    SWEEP,
    artifacts_of,
    delete_database,
    new_client,
    new_publisher,
    outcome,
    publish,
    run_of,
    runs_of_study,
    view_of_study,
)


def test_a_run_stands_below_its_sweep_with_all_that_it_left_behind(project: Path) -> None:
    spec = synthetic.pathway_spec(seed=3)
    run_dir = synthetic.whole(project / "runs", spec)
    publish([(spec, run_dir)])
    shown = view_of_study()[run_id(spec)]
    assert shown["parent"] == f"sweep {SWEEP}"
    assert shown["name"] == spec.name
    assert shown["status"] == "FINISHED"
    assert shown["params"]["finetune.epochs"] == "6"
    expected = {
        "target": "image",
        "auxiliary": "audio",
        "method": "pathway",
        "setting": "pretrained",
        "tuning": "full",
        "seed": "3",
    }
    expected |= {"m2pt.run_id": run_id(spec), "m2pt.study": STUDY, "m2pt.status": "complete", "m2pt.kind": "finetune"}
    expected |= {"git_commit": "c" * 40, "version.torch": "2.13.0", "device": "cpu"}
    assert expected.items() <= shown["tags"].items()
    times = [synthetic.START_MS + 1000 * epoch for epoch in range(1, 7)]
    assert shown["metrics"]["1_val/accuracy"] == [(epoch, times[epoch - 1], 63.0 + epoch) for epoch in range(1, 7)]
    assert shown["metrics"]["5_scale/blocks.1.attn.qkv"] == [(epoch, times[epoch - 1], 0.01 * epoch * 2) for epoch in range(1, 7)]
    assert shown["metrics"]["4_result/test_accuracy"] == [(0, times[-1], 61.5)]
    assert shown["metrics"]["4_result/merge_max_logit_difference"] == [(0, times[-1], 1e-6)]
    assert shown["metrics"]["8_cost/seconds_train"] == [(0, times[-1], 5.0)]
    assert shown["metrics"]["8_cost/peak_memory_mib"] == [(0, times[-1], 3.0)]
    assert shown["tags"]["mlflow.note.content"] == "Test accuracy **61.5 %**; validation accuracy 69.0 %."
    digest = "d" * 36
    assert shown["data"] == [
        ("image/test", digest, "test"),
        ("image/train", digest, "train"),
        ("image/val", digest, "validation"),
    ]
    assert set(shown["files"]) == {"spec.json", "history.jsonl", "record.json", "merged.safetensors"}
    assert shown["files"]["record.json"] == (run_dir / "record.json").read_bytes()


def test_a_pretraining_run_stands_beside_the_others_with_its_pictures(project: Path) -> None:
    spec = synthetic.pretrain_spec()
    publish([(spec, synthetic.whole(project / "encoders", spec))])
    shown = view_of_study()[run_id(spec)]
    assert shown["parent"] == f"sweep {SWEEP}"
    assert shown["tags"]["m2pt.kind"] == "pretrain"
    assert shown["metrics"]["4_result/val_reconstruction_loss"][0][2] == pytest.approx(2.5 / 6)
    assert {"reconstructions.png", "encoder.safetensors"} <= set(shown["files"])


def test_a_note_of_the_users_stays(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    publish([(spec, run_dir)])
    client = new_client()
    client.set_tag(run_of(client, spec).info.run_id, "mlflow.note.content", "seen by me")
    synthetic.advance(run_dir, spec, 6, 6)
    publish([(spec, run_dir)])
    assert view_of_study()[run_id(spec)]["tags"]["mlflow.note.content"] == "seen by me"


def test_a_page_lists_metrics_in_the_order_of_their_names(project: Path) -> None:
    spec = synthetic.pathway_spec()
    with new_publisher() as publisher:
        publisher.publish(spec, synthetic.whole(project / "runs", spec))
        publisher.close(SweepEnd(values={"9_runs/complete": 1.0, "1_val/mean_accuracy/pathway": 2.0, "0_gain/over_random": 3.0}))
    client = new_client()
    listed = [list(run.data.metrics) for run in runs_of_study(client)]
    (of_sweep,) = [names for names in listed if "0_gain/over_random" in names]
    assert of_sweep == ["0_gain/over_random", "1_val/mean_accuracy/pathway", "9_runs/complete"]
    (of_run,) = [names for names in listed if "epoch" in names]
    by_epoch = of_run[: of_run.index("epoch")]
    assert by_epoch[0].startswith("1_val/") and by_epoch == sorted(by_epoch)


def test_publishing_again_changes_nothing(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    publish(runs)
    before = view_of_study()
    publish(runs)
    assert view_of_study() == before
    assert len(before) == 3


def _every_kind_of_run(project: Path) -> list[tuple[Spec, Path]]:
    """Published as a sweep does it: in pieces, with a kill, a restart, a failure, and a run that is left unfinished."""
    folder = project / "runs"
    live, resumed, redone, failed, left = (synthetic.pathway_spec(seed) for seed in range(5))
    plain, encoder = synthetic.pathway_spec(auxiliary=""), synthetic.pretrain_spec()
    runs = [(spec, synthetic.begin(folder, spec)) for spec in (live, resumed, redone, failed, left)]
    dirs = dict(runs)
    with new_publisher() as publisher:
        for spec, run_dir in runs:
            for first, last in ((1, 2), (3, 5)):
                synthetic.advance(run_dir, spec, first, last)
                publisher.publish(spec, run_dir, active=True)
    # The job was killed at epoch 5 and goes on from a checkpoint at epoch 3, later.
    synthetic.advance(dirs[resumed], resumed, 4, 6, synthetic.START_MS + 10**6)
    # This one has no checkpoint and starts anew.
    (dirs[redone] / HISTORY).unlink()
    (dirs[redone] / TIMES).unlink()
    synthetic.advance(dirs[redone], redone, 1, 6, synthetic.START_MS + 2 * 10**6)
    synthetic.advance(dirs[live], live, 6, 6)
    synthetic.complete(dirs[live], live)
    synthetic.complete(dirs[resumed], resumed, resumed_from=5)
    synthetic.complete(dirs[redone], redone)
    synthetic.fail(dirs[failed])
    return [*runs, *((spec, synthetic.whole(folder, spec)) for spec in (plain, encoder))]


def test_a_deleted_database_comes_back_with_the_same_runs_and_histories(project: Path) -> None:
    runs = _every_kind_of_run(project)
    for _ in range(2):
        with new_publisher() as publisher:
            for spec, run_dir in runs:
                publisher.publish(spec, run_dir)
            publisher.close(outcome(5, 1))
    before = view_of_study()
    delete_database(project)
    with new_publisher() as publisher:
        for spec, run_dir in runs[::-1]:
            publisher.publish(spec, run_dir)
        publisher.close(outcome(5, 1))
    assert view_of_study() == before
    statuses = [before[run_id(spec)]["status"] for spec, _ in runs]
    assert statuses == ["FINISHED", "FINISHED", "FINISHED", "FAILED", "KILLED", "FINISHED", "FINISHED"]
    for spec, _ in runs:
        steps = [step for step, _, _ in before[run_id(spec)]["metrics"]["3_train/loss"]]
        assert steps == list(range(1, len(steps) + 1))


_CALLS = [
    (MlflowClient, "create_run", 2),
    (MlflowClient, "log_inputs", 1),
    (MlflowClient, "log_batch", 1),
    (LocalArtifactRepository, "log_artifacts", 1),
    (MlflowClient, "set_terminated", 1),
]
"""The calls that publish one run, in their order; the first of the first is for the sweep."""


@pytest.mark.parametrize(("of", "broken", "turn"), _CALLS)
def test_publishing_that_was_broken_off_is_completed(
    project: Path, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, of: type, broken: str, turn: int
) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    turns = itertools.count(1)

    def after(self: Any, *args: Any, **options: Any) -> Any:
        answer = original(self, *args, **options)
        if next(turns) == turn:
            raise MlflowException("the connection was lost")
        return answer

    original = getattr(of, broken)
    with monkeypatch.context() as patch:
        patch.setattr(of, broken, after)
        with pytest.raises(UserError, match="the connection was lost"):
            publish([(spec, run_dir)])
    publish([(spec, run_dir)])
    completed = view_of_study()
    new_project(tmp_path / "in one go", empty_database, monkeypatch)
    publish([(spec, run_dir)])
    assert completed == view_of_study()


@pytest.mark.parametrize(("of", "broken"), [(MlflowClient, "log_batch"), (LocalArtifactRepository, "log_artifacts")])
def test_publishing_the_rest_of_a_run_that_had_ended_before_is_completed_too(
    project: Path, monkeypatch: pytest.MonkeyPatch, of: type, broken: str
) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 3)
    publish([(spec, run_dir)])
    assert view_of_study()[run_id(spec)]["status"] == "KILLED"
    synthetic.advance(run_dir, spec, 4, 6)
    synthetic.complete(run_dir, spec)

    def lost(*_: Any, **__: Any) -> None:
        original_batch(*_, **__) if broken == "log_batch" else None
        raise MlflowException("the connection was lost")

    original_batch = MlflowClient.log_batch
    with monkeypatch.context() as patch:
        patch.setattr(of, broken, lost)
        with pytest.raises(UserError, match="the connection was lost"):
            publish([(spec, run_dir)])
    publish([(spec, run_dir)])
    shown = view_of_study()[run_id(spec)]
    assert shown["status"] == "FINISHED" and "merged.safetensors" in shown["files"]
    assert len(shown["metrics"]["1_val/accuracy"]) == 6


def test_a_failed_run_says_why_until_it_is_mended(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 3)
    synthetic.fail(run_dir, "image: out of luck.")
    publish([(spec, run_dir)])
    failed = view_of_study()[run_id(spec)]
    assert failed["status"] == "FAILED"
    assert failed["tags"]["error"] == "image: out of luck."
    assert failed["files"]["log.txt"] == (run_dir / LOG).read_bytes()
    synthetic.advance(run_dir, spec, 4, 6)
    synthetic.complete(run_dir, spec)
    publish([(spec, run_dir)])
    mended = view_of_study()[run_id(spec)]
    assert mended["status"] == "FINISHED"
    assert "error" not in mended["tags"]
    assert len(mended["metrics"]["1_val/accuracy"]) == 6


def test_a_run_that_was_done_anew_with_another_result_replaces_the_old_one(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    publish([(spec, run_dir)])
    shutil.rmtree(run_dir)
    publish([(spec, synthetic.whole(project / "runs", spec, epochs=4))])
    assert [step for step, _, _ in view_of_study()[run_id(spec)]["metrics"]["1_val/accuracy"]] == [1, 2, 3, 4]


def test_weights_that_are_not_those_of_the_run_are_not_published_and_hold_up_no_other(project: Path) -> None:
    runs = [RunOnDisk(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(3)]
    for run in runs:
        record = json.loads((run.run_dir / RECORD).read_text())
        digest = hashlib.sha256((run.run_dir / MERGED).read_bytes()).hexdigest()
        documents.write_json(run.run_dir / RECORD, record | {"files": {MERGED: digest}})
    (runs[1].run_dir / MERGED).write_bytes(b"weighTs" * 100)
    with new_publisher() as publisher:
        ((run_dir, sentence),) = publisher.publish_all(runs).items()
    assert run_dir == runs[1].run_dir
    assert sentence.startswith(f"{runs[1].run_dir / MERGED}: is not the file that record.json speaks of; ")
    shown = {run.data.tags["m2pt.run_id"] for run in runs_of_study(new_client()) if "m2pt.run_id" in run.data.tags}
    assert shown == {run_id(run.spec) for run in (runs[0], runs[2])}


def test_large_weights_stay_in_their_folder(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    with new_publisher(weights_limit_bytes=100) as publisher:
        publisher.publish(spec, run_dir)
    assert "merged.safetensors" not in view_of_study()[run_id(spec)]["files"]


def test_the_sweep_shows_its_outcome_and_the_report(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    figure = project / "matrix.png"
    figure.write_bytes(b"picture")
    with new_publisher() as publisher:
        publisher.publish(spec, run_dir)
        publisher.close(replace(outcome(1, 2), report={"figures/matrix.png": figure}))
    (sweep,) = runs_of_study(new_client(), "tags.`m2pt.kind` = 'sweep'")
    assert sweep.data.metrics == {"9_runs/complete": 1.0, "9_runs/failed": 2.0, "4_result/mean_test_accuracy/pathway": 61.5}
    assert sweep.info.status == "FAILED"
    assert (artifacts_of(sweep) / "report" / "figures" / "matrix.png").read_bytes() == b"picture"
    with new_publisher() as publisher:
        publisher.publish(spec, run_dir)
        publisher.close(outcome(3, 0))
    shown = view_of_study()
    assert shown[f"sweep {SWEEP}"]["metrics"]["9_runs/complete"] == [
        (0, shown[f"sweep {SWEEP}"]["metrics"]["9_runs/failed"][0][1], 3.0)
    ]
    assert shown[f"sweep {SWEEP}"]["status"] == "FINISHED"
    assert shown[run_id(spec)]["parent"] == f"sweep {SWEEP}"


def test_a_run_belongs_to_the_last_sweep_that_holds_it(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    publish(runs[:1])
    with new_publisher("a1a1a1a1") as publisher:
        for spec, run_dir in runs:
            publisher.publish(spec, run_dir)
    shown = view_of_study()
    assert {shown[run_id(spec)]["parent"] for spec, _ in runs} == {"sweep a1a1a1a1"}
    assert f"sweep {SWEEP}" not in shown


def test_a_copy_of_a_run_without_its_times_takes_none_away(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    publish([(spec, run_dir)])
    known, stored = view_of_study()[run_id(spec)], run_of(new_client(), spec)
    shutil.rmtree(run_dir / "local")  # as in a copy that DVC makes of a project for an experiment
    with new_publisher("a1a1a1a1") as publisher:
        publisher.publish(spec, run_dir)
    shown, again = view_of_study()[run_id(spec)], run_of(new_client(), spec)
    assert shown["tags"].pop("m2pt.sweep_id") == "a1a1a1a1"
    del known["tags"]["m2pt.sweep_id"]
    assert shown == known | {"parent": "sweep a1a1a1a1"}
    assert again.info == stored.info


def test_a_sweep_that_another_version_named_otherwise_gets_its_title(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    publish([(spec, run_dir)])
    with Publisher(MlflowTracker(Sweep(STUDY, SWEEP, "4 targets, 5 methods"))) as publisher:
        publisher.publish(spec, run_dir)
    shown = view_of_study()
    assert set(shown) == {"4 targets, 5 methods", run_id(spec)}
    assert shown[run_id(spec)]["parent"] == "4 targets, 5 methods"


def test_a_failed_run_whose_metrics_had_other_names_is_shown_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 3)
    synthetic.fail(run_dir)
    with monkeypatch.context() as older:
        older.setattr(metrics, "_name", lambda key: key)
        older.setattr("pipelines.tracking.publication._form", lambda: b"older code")
        publish([(spec, run_dir)])
    assert "val/accuracy" in view_of_study()[run_id(spec)]["metrics"]
    publish([(spec, run_dir)])
    names = set(view_of_study()[run_id(spec)]["metrics"])
    assert "val/accuracy" not in names and "1_val/accuracy" in names


def test_an_interrupted_sweep_and_an_inherited_run_id(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    with pytest.raises(KeyboardInterrupt), new_publisher() as publisher:
        publisher.publish(spec, run_dir)
        raise KeyboardInterrupt
    assert view_of_study()[f"sweep {SWEEP}"]["status"] == "KILLED"
    assert view_of_study()[run_id(spec)]["status"] == "FINISHED"


def test_a_sweep_keeps_its_time_until_something_is_added_to_its_runs(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]

    def times(runs: list[tuple[Spec, Path]], values: SweepEnd) -> tuple[int, int]:
        time.sleep(0.01)
        with new_publisher() as publisher:
            for spec, run_dir in runs:
                publisher.publish(spec, run_dir)
            publisher.close(values)
        (sweep,) = runs_of_study(new_client(), "tags.`m2pt.kind` = 'sweep'")
        assert sweep.info.status == "FINISHED"
        return sweep.info.start_time, sweep.info.end_time

    start, end = times(runs[:1], SweepEnd())
    assert times(runs[:1], outcome(1, 0)) == (start, end), "its report came later"
    assert times(runs[:1], replace(outcome(1, 0), values={"9_runs/complete": 2.0})) == (start, end), "it stands anew"
    again = times(runs, outcome(2, 0))
    assert again[0] == start and again[1] > end

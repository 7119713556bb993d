import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files.documents import read_json, write_json
from m2pt.files.leases import leased
from m2pt.runs.folder import EXECUTION, HISTORY, LOCK, RECORD, TEST_SAMPLES
from m2pt.runs.spec import TaskSpec
from pipelines.tracking.batches import in_batches
from pipelines.tracking.metrics import EPOCH, Point
from pipelines.tracking.publication import parameters, read_publication, signature, state_of
from tests.pipelines import synthetic

_STARTED = {"started": "2026-11-21T11:00:00+00:00"}


def test_parameters_are_flat_and_readable() -> None:
    settings = parameters(synthetic.pathway_spec())
    assert settings["finetune.learning_rate"] == "0.001"
    assert settings["pathway.layers"] == "attn.qkv,mlp.fc1"
    assert settings["pathway.scale_trainable"] == "true"
    assert settings["finetune.clip_norm"] == "none"
    assert settings["model.width"] == "64"
    assert settings["auxiliary_weights.source"] == "mae"
    assert not any(key.startswith("pathway.") for key in parameters(synthetic.pathway_spec(auxiliary="")))


def test_tags_tell_replicate_and_lineage_where_there_are_any(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    assert not {"replicate", "lineage"} & read_publication(spec, run_dir).tags.keys()
    write_json(run_dir / RECORD, read_json(run_dir / RECORD) | {"lineage": "same"})
    assert read_publication(spec, run_dir).tags["lineage"] == "same"
    crossed = spec.model_copy(update={"replicate": 2})
    assert read_publication(crossed, synthetic.whole(tmp_path, crossed)).tags["replicate"] == "2"


def test_each_epoch_has_its_values_at_its_own_time(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    publication = read_publication(spec, synthetic.whole(tmp_path, spec))
    assert list(publication.epochs) == [1, 2, 3, 4, 5, 6]
    assert Point("1_val/accuracy", 64.0, 4, synthetic.START_MS + 4000) in publication.epochs[4]
    assert Point("5_scale/blocks.1.mlp.fc1", 0.06, 2, synthetic.START_MS + 2000) in publication.epochs[2]


def test_validation_and_the_mean_scale_sort_before_everything_else_and_single_layers_behind_what_there_is_once(
    tmp_path: Path,
) -> None:
    """MLflow draws groups in the order of their names, and lists metrics so."""
    spec = synthetic.pathway_spec()
    publication = read_publication(spec, synthetic.whole(tmp_path, spec))
    names = {point.key for points in [*publication.epochs.values(), publication.summary] for point in points}
    groups = sorted({name.rpartition("/")[0] for name in names if "/" in name})
    assert groups[:5] == ["1_val", "2_scales", "3_train", "4_result", "5_scale"]
    assert sorted(names)[:4] == ["1_val/accuracy", "1_val/loss", "2_scales/abs_mean", "2_scales/effective_size_mean"]
    assert [name for name in names if "/" not in name] == [EPOCH]


def test_an_epoch_has_the_mean_size_of_its_scales(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    lines = [json.loads(line) for line in (run_dir / HISTORY).read_text().splitlines()]
    lines[2] |= {"scale/blocks.0.attn.qkv": -0.5, "scale/blocks.1.mlp.fc1/abs_mean": 0.7}
    (run_dir / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = {point.key: point.value for point in read_publication(spec, run_dir).epochs[3]}
    sizes = [abs(value) for key, value in lines[2].items() if key.startswith("scale/")]
    assert shown["2_scales/abs_mean"] == pytest.approx(sum(sizes) / len(sizes))
    assert shown["5_scale/blocks.1.mlp.fc1.abs_mean"] == 0.7, "it stands among the other layers"
    assert shown["2_scales/effective_size_mean"] == pytest.approx(
        sum(value for key, value in lines[2].items() if key.startswith("effective_size/")) / len(synthetic.LAYERS)
    )


def test_energy_and_inference_are_published_where_they_were_measured(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    assert not [
        point for point in read_publication(spec, run_dir).summary if point.key.startswith(("8_cost/energy", "8_cost/inference"))
    ]
    (attempt,) = read_json(run_dir / EXECUTION)["attempts"]
    measured = {"energy_joules": 40.0, "inference": {"batch": 8, "latency_ms": 2.5, "plain_latency_ms": 2.0}}
    write_json(run_dir / EXECUTION, {"attempts": [attempt | {"energy_joules": 30.0}, attempt | measured]})
    shown = {point.key: point.value for point in read_publication(spec, run_dir).summary}
    assert shown["8_cost/energy_joules"] == 70.0
    assert (shown["8_cost/inference_latency_ms"], shown["8_cost/inference_plain_latency_ms"]) == (2.5, 2.0)
    write_json(run_dir / EXECUTION, {"attempts": [attempt, attempt | measured]})  # the first one's energy is unknown
    assert "8_cost/energy_joules" not in {point.key for point in read_publication(spec, run_dir).summary}


def test_seconds_are_a_sum_only_where_every_attempt_tells_them(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    (attempt,) = read_json(run_dir / EXECUTION)["attempts"]
    failed = attempt | {"seconds": {"load": 0.5, "train": 1.0, "total": 1.5}}
    write_json(run_dir / EXECUTION, {"attempts": [failed, attempt | {"seconds": attempt["seconds"] | {"latency": 0.25}}]})
    shown = {point.key: point.value for point in read_publication(spec, run_dir).summary}
    assert (shown["8_cost/seconds_train"], shown["8_cost/seconds_total"], shown["8_cost/seconds_latency"]) == (6.0, 7.5, 0.25)
    write_json(run_dir / EXECUTION, {"attempts": [{"seconds": {"total": 2.0}, "interrupted": True, **_STARTED}, attempt]})
    shown = {point.key: point.value for point in read_publication(spec, run_dir).summary}
    assert "8_cost/seconds_train" not in shown
    assert shown["8_cost/seconds_total"] == 8.0


def test_what_a_tuning_freezes_is_not_shown_as_trained() -> None:
    assert parameters(synthetic.pathway_spec())["pathway.auxiliary_trainable"] == "true"
    fix = synthetic.pathway_spec().model_copy(update={"tuning": "fix"})
    assert parameters(fix)["pathway.auxiliary_trainable"] == "false"


def test_a_run_of_a_recipe_is_tagged_with_what_departs_from_its_release(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    tags = read_publication(spec, synthetic.whole(tmp_path / "alone", spec)).tags
    assert not {"recipe", "departures"} & tags.keys()
    task = TaskSpec(
        dataset="imagenet", goal="classification", variant=None, recipe="mae-finetune", holdout=0.0, unreadable="fail"
    )
    of_task = spec.model_copy(update={"task": task})
    tags = read_publication(of_task, synthetic.whole(tmp_path / "task", of_task)).tags
    assert tags["recipe"] == "mae-finetune"
    told = tags["departures"].split("; ")
    assert "finetune.precision: fp32 [fp16]" in told and "model.depth: 4 [12]" in told
    assert "pathway.auxiliary_decay: false [true]" in told


def test_what_a_run_does_not_read_is_not_shown_as_its_setting() -> None:
    spec = synthetic.pathway_spec()
    settings = parameters(spec.model_copy(update={"finetune": spec.finetune.model_copy(update={"warmup_epochs": 2.0})}))
    assert settings["finetune.warmup_epochs"] == "2.0" and "finetune.warmup_steps" not in settings
    assert parameters(spec)["finetune.warmup_steps"] == "20"
    assert "finetune.test.votes" not in settings, "small data are tested with one view"


def test_validation_data_are_shown_where_there_are_some(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    for dataset, holdout, shown in (("esc50", 0.0, False), ("esc50", 0.1, True), ("partnet", 0.0, True)):
        task = TaskSpec(dataset=dataset, goal="classification", variant=None, recipe="r", holdout=holdout, unreadable="fail")
        of_task = spec.model_copy(update={"task": task})
        data = read_publication(of_task, synthetic.whole(tmp_path / f"{dataset}-{holdout}", of_task)).data
        assert ("validation" in {item.context for item in data}) == shown


def test_a_run_from_elsewhere_gets_the_same_made_up_times_wherever_it_is_read(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path / "here", spec)
    shutil.rmtree(run_dir / "local")
    copy = shutil.copytree(run_dir, tmp_path / "there" / run_dir.name)
    here, there = read_publication(spec, run_dir), read_publication(spec, copy)
    assert here.epochs == there.epochs
    assert here.summary == there.summary
    times = [points[0].time_ms for points in here.epochs.values()]
    assert all(later - earlier == 1000 for earlier, later in pairwise(times))


def test_of_an_active_run_an_epoch_waits_for_its_time(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(tmp_path, spec)
    synthetic.advance(run_dir, spec, 1, 2)
    with (run_dir / HISTORY).open("a") as file:
        file.write(json.dumps(synthetic.epoch_line(spec, 3)) + "\n")
    assert list(read_publication(spec, run_dir, active=True).epochs) == [1, 2]
    assert list(read_publication(spec, run_dir).epochs) == [1, 2, 3]


def test_a_run_whose_lock_is_held_is_running(tmp_path: Path) -> None:
    run_dir = synthetic.begin(tmp_path, synthetic.pathway_spec())
    synthetic.advance(run_dir, synthetic.pathway_spec(), 1, 2)
    assert state_of(run_dir) == "interrupted"
    with leased(run_dir / LOCK):
        assert state_of(run_dir) == "running"
    assert state_of(run_dir) == "interrupted"


def test_the_signature_changes_with_what_is_made_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was filled by an older version lacks what this one adds."""
    before = signature(tmp_path, "interrupted")
    assert signature(tmp_path, "interrupted") == before
    monkeypatch.setattr("pipelines.tracking.publication._form", lambda: b"other code")
    assert signature(tmp_path, "interrupted") != before


def test_the_signature_changes_with_what_a_run_leaves_behind(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(tmp_path, spec)
    synthetic.advance(run_dir, spec, 1, 3)
    seen = {signature(run_dir, state_of(run_dir))}
    synthetic.advance(run_dir, spec, 4, 6)
    seen.add(signature(run_dir, state_of(run_dir)))
    synthetic.fail(run_dir, "one")
    seen.add(signature(run_dir, state_of(run_dir)))
    synthetic.fail(run_dir, "two")
    seen.add(signature(run_dir, state_of(run_dir)))
    synthetic.complete(run_dir, spec)
    seen.add(signature(run_dir, state_of(run_dir)))
    assert len(seen) == 5


def test_a_damaged_history_is_told_in_one_sentence(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    (run_dir / HISTORY).write_text('{"epoch": 1, "train\n{"epoch": 2}\n')
    with pytest.raises(UserError, match="is damaged"):
        read_publication(spec, run_dir)


def test_batches_keep_an_epoch_together_and_stay_within_one_call() -> None:
    epochs = [[Point(f"m{index}", 0.0, step, 0) for index in range(size)] for step, size in enumerate([400, 400, 400, 2500, 3])]
    batches = list(in_batches(epochs))
    assert [point for batch in batches for point in batch] == [point for epoch in epochs for point in epoch]
    assert max(len(batch) for batch in batches) <= 1000
    assert {point.step for point in batches[0]} == {0, 1}


def test_a_trial_is_marked_and_shows_no_test_score(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    run, trial = read_publication(spec, run_dir), read_publication(spec, run_dir, trial=True)
    shown, of_trial = ({point.key for point in each.summary} for each in (run, trial))
    assert shown - of_trial == {"4_result/test_accuracy"}
    assert of_trial < shown
    assert trial.tags == run.tags | {"m2pt.trial": "true"}


def test_no_file_of_a_trial_holds_a_test_score(tmp_path: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(tmp_path, spec)
    (run_dir / TEST_SAMPLES).write_bytes(b"x")
    run, trial = read_publication(spec, run_dir), read_publication(spec, run_dir, trial=True)
    assert {path.name for path in run.files} - {path.name for path in trial.files} == {RECORD, TEST_SAMPLES}
    assert trial.files
    assert not any(b"test_score" in path.read_bytes() for path in trial.files)

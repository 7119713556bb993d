"""Several processes that train one model give what one process gives, up to the order of sums."""

import json
import subprocess
import sys

import pytest
import torch

from m2pt import job
from m2pt.config import EmbeddedData, FinetuneConfig, ImageInput
from m2pt.files import documents
from m2pt.files.markers import is_leased
from m2pt.modalities.image import embedded
from m2pt.runs.folder import EXECUTION, HISTORY, LOCK, MERGED, read_history, run_state
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.training.share import Share
from m2pt.weights.saved import read_weights
from tests.specs import run_spec
from tests.test_job import prepare
from tests.waiting import PATIENCE_S, comes_true


@pytest.mark.parametrize("total", [1, 2, 7, 8, 20])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_row_is_dealt_once_and_stays_beside_its_mirror_image(total, world):
    dealt = [Share(rank, world).rows(total) for rank in range(world)]
    assert sorted(torch.cat(dealt).tolist()) == list(range(total))
    for rows in dealt:
        assert torch.equal(rows.flip(0), total - 1 - rows)


@pytest.mark.parametrize(("total", "group"), [(24, 4), (24, 8), (30, 8), (7, 4), (96, 12)])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_groups_are_dealt_in_order_with_mirror_images_together(total, group, world):
    dealt = [Share(rank, world).rows(total, group) for rank in range(world)]
    assert sorted(torch.cat(dealt).tolist()) == list(range(total))
    assert torch.cat(dealt).div(group, rounding_mode="floor").diff().ge(0).all()
    for rows in dealt:
        for number in (rows // group).unique():
            mine = rows[rows // group == number]
            last = min((number + 1) * group, total) - 1
            assert torch.equal(mine.flip(0), last + number * group - mine)
            if total % group == 0 and total // group % world == 0:
                assert len(mine) == group, "a group stays whole"


def test_every_sample_is_evaluated_once():
    parts = [list(Share(rank, 3).every(10)) for rank in range(3)]
    assert sorted(index for part in parts for index in part) == list(range(10))


@pytest.mark.parametrize("total", [2, 9, 10, 11])
def test_what_was_evaluated_apart_is_joined_in_the_order_of_the_split(total):
    parts = [torch.tensor(list(Share(rank, 3).every(total)), dtype=torch.float64) for rank in range(3)]
    assert Share(1, 3).in_order(parts).tolist() == list(range(total))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder") / "image"
    embedded.write(folder, EmbeddedData(pretrain=20, train=40, val=20, test=20))
    return folder


def test_two_processes_give_the_losses_and_scores_of_one(tmp_path, images):
    recipe = FinetuneConfig(
        samples=40, epochs=3, batch_size=10, warmup_steps=1, drop_path=0.2, mixup=0.8, cutmix=1.0, mixing_rows=6, clip_norm=1.0
    )
    spec = run_spec(
        method="random_auxiliary",
        auxiliary="random",
        setting="scratch",
        finetune=recipe,
        target_weights=None,
        auxiliary_weights=None,
    )
    dirs = [prepare(tmp_path / str(devices), images, spec, devices=devices) for devices in (1, 2)]
    for run_dir in dirs:
        assert job.run(run_dir) is None
    one, two = ([json.loads(line) for line in (run_dir / HISTORY).read_text().splitlines()] for run_dir in dirs)
    assert [line["epoch"] for line in two] == [1, 2, 3]
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["train/loss"] == pytest.approx(ours["train/loss"], rel=1e-5)
        assert theirs["val/loss"] == pytest.approx(ours["val/loss"], rel=1e-5)
        assert theirs["scale/blocks.0.mlp.fc1"] == pytest.approx(ours["scale/blocks.0.mlp.fc1"], rel=1e-3)
    first, second = (read_record(run_dir, FinetuneRecord) for run_dir in dirs)
    assert second.test_score == pytest.approx(first.test_score, abs=5.1)
    (attempt,) = documents.read_json(dirs[1] / EXECUTION)["attempts"]
    assert attempt["devices"] == 2
    alone, together = (read_sample_scores(run_dir, record) for run_dir, record in zip(dirs, (first, second), strict=True))
    assert len(alone) == len(together) == 20
    assert (alone != together).sum() <= 1, "they are in the order of the split, not process by process"


def test_two_processes_give_the_batch_norm_of_one(tmp_path, images):
    """Each takes whole groups of rows; the running statistics follow all groups in order, whoever saw them."""
    recipe = FinetuneConfig(samples=40, epochs=2, batch_size=20, warmup_steps=0, head="class_token", norm_rows=5)
    spec = run_spec(
        method="baseline",
        auxiliary="",
        setting="scratch",
        tuning="fix",
        input=ImageInput(form="published", size=16, patch=8),
        finetune=recipe,
        pathway=None,
        target_weights=None,
        auxiliary_weights=None,
    )
    merged = []
    for devices in (1, 2):
        run_dir = prepare(tmp_path / str(devices), images, spec, devices=devices)
        assert job.run(run_dir) is None
        lines = read_history(run_dir)
        merged.append((lines, read_weights(run_dir / MERGED)))
    (one, alone), (two, together) = merged
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["train/loss"] == pytest.approx(ours["train/loss"], rel=1e-5)
        assert theirs["val/loss"] == pytest.approx(ours["val/loss"], rel=1e-5)
    for name in ("head.0.running_mean", "head.0.running_var", "head.1.weight"):
        assert torch.allclose(alone[name], together[name], atol=1e-6), name


def test_a_fault_in_one_of_several_processes_is_one_sentence(tmp_path, images):
    spec = run_spec(method="baseline", auxiliary="", setting="scratch", pathway=None, target_weights=None, auxiliary_weights=None)
    run_dir = prepare(tmp_path, images, spec, devices=2, data=str(tmp_path / "nowhere"), cache=str(tmp_path / "cache"))
    error = job.run(run_dir)
    assert "nowhere" in error
    assert "\n" not in error
    assert run_state(run_dir) == "failed"


@pytest.mark.patient
def test_a_run_on_several_devices_ends_with_the_worker_that_started_it(tmp_path, images):
    recipe = FinetuneConfig(samples=40, epochs=100000, batch_size=10, warmup_steps=1)
    nothing = {"pathway": None, "target_weights": None, "auxiliary_weights": None}
    run_dir = prepare(
        tmp_path, images, run_spec(method="baseline", auxiliary="", setting="scratch", finetune=recipe, **nothing), devices=2
    )
    worker = subprocess.Popen([sys.executable, "-m", "m2pt.job", "--worker"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    worker.stdin.write(json.dumps({"run_dir": str(run_dir)}).encode() + b"\n")
    worker.stdin.flush()
    assert comes_true(lambda: len(read_history(run_dir)) > 1), "it trains"
    worker.stdin.close()
    assert worker.wait(PATIENCE_S) == 0
    assert comes_true(lambda: not is_leased(run_dir / LOCK)), "nobody works on the run any more"

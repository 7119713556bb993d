"""Noise in place of samples, and labels in a random order: nothing of the modality is left, and a seed decides the draw."""

import numpy as np
import pytest
import torch

from m2pt.config import MODALITIES, InputsConfig, LabelPretrain
from m2pt.files.state import file_sha256
from m2pt.runs.folder import ENCODER, HISTORY, RECONSTRUCTIONS, create_run, read_history
from m2pt.runs.identity import run_id
from m2pt.training import pretraining_steps as module
from m2pt.training.pretrain import pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.training.without_signal import as_declared, noise_like, with_permuted_labels
from tests.specs import pretrain_spec
from tests.training.test_pretrain import make_samples, run, splits_of


def labels_spec(**changes):
    return pretrain_spec(source="labels", pretrain=LabelPretrain(steps=60, batch_size=16, warmup_steps=2), **changes)


def test_noise_has_the_mean_and_the_spread_of_each_value_and_no_correlation():
    pool = make_samples("image", 400, 1)
    noise = noise_like(pool, pool, torch.Generator().manual_seed(0))
    x, of_noise = (split.x.flatten(1).double().numpy() for split in (pool, noise))
    bound = 5 * x.std(axis=0) / np.sqrt(400)
    assert (np.abs(of_noise.mean(axis=0) - x.mean(axis=0)) < bound).all()
    np.testing.assert_allclose(of_noise.std(axis=0), x.std(axis=0), rtol=0.2)
    neighbours = [np.corrcoef(values[:, 0], values[:, 15])[0, 1] for values in (x, of_noise)]
    assert neighbours[0] < -0.8, "the samples have ramps, so that the ends of a row vary together"
    assert abs(neighbours[1]) < 0.2
    assert torch.equal(noise.y, pool.y)


def test_permuted_labels_are_as_many_of_each_class_and_say_nothing_of_the_samples():
    pool = make_samples("image", 400, 1)
    permuted = with_permuted_labels(pool, torch.Generator().manual_seed(0))
    assert torch.equal(permuted.y.bincount(), pool.y.bincount())
    assert float((permuted.y == pool.y).double().mean()) == pytest.approx(0.5, abs=0.1)
    assert torch.equal(permuted.x, pool.x)


def test_every_split_is_drawn_once_from_the_seed():
    splits = splits_of("image")
    spec = pretrain_spec(samples="noise")
    drawn, again = as_declared(spec, splits), as_declared(spec, splits)
    other = as_declared(pretrain_spec(samples="noise", seed=1), splits)
    for name in ("pretrain", "val"):
        assert torch.equal(drawn[name].x, again[name].x)
        assert not torch.equal(drawn[name].x, other[name].x)
        assert not torch.equal(drawn[name].x, splits[name].x)
    assert as_declared(pretrain_spec(), splits) == splits
    permuted = as_declared(labels_spec(labels="random"), splits)
    assert not torch.equal(permuted["pretrain"].y, splits["pretrain"].y)
    assert torch.equal(permuted["pretrain"].x, splits["pretrain"].x)


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_can_be_pretrained_on_noise(modality, tmp_path):
    spec = pretrain_spec(modality=modality, input=getattr(InputsConfig(), modality), samples="noise")
    record, run_dir = run(spec, tmp_path)
    lines = read_history(run_dir)
    assert lines[-1]["train/loss"] < lines[0]["train/loss"], "the mean of each value can be learned"
    assert record.files[ENCODER] == file_sha256(run_dir / ENCODER)
    assert (run_dir / RECONSTRUCTIONS).is_file()


def test_samples_that_could_be_told_apart_cannot_be_once_they_are_noise_or_their_labels_random(tmp_path):
    mae, mae_dir = run(pretrain_spec(), tmp_path)
    start = mae_dir / ENCODER
    reference = {"source": "mae", "modality": "image", "sha256": mae.files[ENCODER]}
    scores = {}
    for name, changes in (("real", {}), ("noise", {"samples": "noise"}), ("random", {"labels": "random"})):
        spec = labels_spec(start=reference, **changes)
        scores[name] = run(spec, tmp_path, start)[0].val_score
    assert scores["real"] > 90
    assert abs(scores["noise"] - 50) < 25
    assert abs(scores["random"] - 50) < 25


def test_what_is_declared_is_part_of_the_id_and_the_default_is_not():
    plain = pretrain_spec()
    assert "samples" not in plain.model_dump()
    assert "labels" not in plain.model_dump()
    others = (pretrain_spec(samples="noise"), labels_spec(), labels_spec(labels="random"), labels_spec(samples="noise"))
    assert len({run_id(spec) for spec in (plain, *others)}) == 5


def test_a_resumed_pretraining_on_noise_equals_one_that_was_not_interrupted(tmp_path, monkeypatch):
    spec = pretrain_spec(samples="noise")
    whole, whole_dir = run(spec, tmp_path / "whole")
    step_of = module._step

    class Interruption(Exception):
        pass

    def interrupted(*arguments):
        if arguments[-1] == 70:
            raise Interruption
        return step_of(*arguments)

    monkeypatch.setattr(module, "_step", interrupted)
    with pytest.raises(Interruption):
        run(spec, tmp_path / "parts")
    monkeypatch.setattr(module, "_step", step_of)
    run_dir = create_run(tmp_path / "parts", spec)
    assert pretrain(spec, splits_of("image"), None, Course(run_dir)) == whole
    for name in (HISTORY, RECONSTRUCTIONS, ENCODER):
        assert (run_dir / name).read_bytes() == (whole_dir / name).read_bytes()

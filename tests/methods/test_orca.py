"""Aligning the target's tokenizer to another modality before fine-tuning, and the distance that the alignment minimises."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment

from m2pt.config import AudioInput, RivalsConfig
from m2pt.methods import METHODS
from m2pt.methods.actions import dataset_distance as otdd
from m2pt.methods.actions.dataset_distance import dataset_distance, transport
from m2pt.runs.identity import canonical
from m2pt.runs.spec import AuxiliaryData
from m2pt.training.finetune import memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.share import Share
from m2pt.training.startable import Known, Means, refusal
from tests.methods.test_methods import RECIPE, build, prepared, run, splits, state, weights
from tests.specs import run_spec

__all__ = ["splits", "weights"]  # fixtures


def labelled(count, classes, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes
    return torch.randn(count, 3, generator=generator, dtype=torch.float64) + shift + y[:, None], y


def bures(one, other):
    """The squared Wasserstein distance of two normal distributions with diagonal covariances, by the general formula."""
    (mean, covariance), (mean2, covariance2) = ((x.mean(0), np.diag(x.var(0))) for x in (one, other))
    root = sqrtm(covariance)
    cross = sqrtm(root @ covariance2 @ root).real
    return np.square(mean - mean2).sum() + np.trace(covariance + covariance2 - 2 * cross)


def plain_costs(x, y, x2, y2):
    """The cost of every pair of samples, from its definition."""
    x, y, x2, y2 = (value.numpy() for value in (x, y, x2, y2))
    return np.array(
        [
            [np.square(a - b).sum() + bures(x[y == c], x2[y2 == d]) for b, d in zip(x2, y2, strict=True)]
            for a, c in zip(x, y, strict=True)
        ]
    )


def exact(cost):
    """The least cost of moving one uniform distribution to another of the same size."""
    return cost[linear_sum_assignment(cost)].mean()


def test_costs_are_those_of_the_definition():
    one, two = labelled(12, 3, 0.0, 0), labelled(8, 2, 1.0, 1)
    ours = otdd.costs(otdd._Labelled(*one), otdd._Labelled(*two))
    np.testing.assert_allclose(ours.numpy(), plain_costs(*one, *two), rtol=1e-5)


def test_transport_is_the_best_assignment_as_the_entropy_vanishes(monkeypatch):
    monkeypatch.setattr(otdd, "ITERATIONS", 3000)
    cost = torch.from_numpy(plain_costs(*labelled(12, 3, 0.0, 0), *labelled(12, 2, 1.0, 1)))
    for share in (0.05, 0.01, 0.002):  # what the entropy of a one-to-one plan adds is at most epsilon * log(12)
        epsilon = share * float(cost.mean())
        assert exact(cost.numpy()) <= float(transport(cost, epsilon)) <= exact(cost.numpy()) + epsilon * np.log(12)
    plan, _ = otdd._sinkhorn(cost, 0.05 * float(cost.mean()))
    for axis in (0, 1):
        np.testing.assert_allclose(plan.sum(axis).numpy(), 1 / 12, rtol=1e-6)


def test_the_distance_is_near_the_exact_one_and_zero_from_itself():
    one, two = labelled(30, 3, 0.0, 0), labelled(30, 3, 4.0, 1)
    distance = float(dataset_distance(*one, *two))
    assert distance == pytest.approx(exact(plain_costs(*one, *two)), rel=0.1)
    assert float(dataset_distance(*one, *one)) == pytest.approx(0, abs=1e-6 * distance)
    near = labelled(30, 3, 0.5, 1)
    assert 0 < float(dataset_distance(*one, *near)) < distance


def test_it_sees_labels_and_not_only_points():
    x, y = labelled(30, 3, 0.0, 0)
    shuffled = y[torch.randperm(30, generator=torch.Generator().manual_seed(0))]
    assert float(dataset_distance(x, y, x, shuffled)) > 0.1


def test_its_gradient_is_that_of_finite_differences(monkeypatch):
    monkeypatch.setattr(otdd, "ITERATIONS", 2000)
    (x, y), (x2, y2) = labelled(9, 3, 0.0, 0), labelled(8, 2, 1.0, 1)
    epsilon = 0.3 * float(otdd.costs(otdd._Labelled(x, y), otdd._Labelled(x2, y2)).mean())

    def distance(points):  # with the regularisation held fixed, as the gradient has it
        ours, theirs = otdd._Labelled(points, y), otdd._Labelled(x2, y2)
        return transport(otdd.costs(ours, theirs), epsilon) - transport(otdd.costs(ours, ours), epsilon) / 2

    points = x.clone().requires_grad_()
    distance(points).backward()
    for place in ((0, 0), (4, 2)):
        step = torch.zeros_like(x)
        step[place] = 1e-5
        slope = float(distance(x + step) - distance(x - step)) / 2e-5
        assert float(points.grad[place]) == pytest.approx(slope, rel=1e-4)


def epochs_of(spec, places, splits, count):
    """A trainer, and the state of the model after each of some steps, the first one before any."""
    model = build(spec, places, 4)
    trainer = Trainer(spec, model, memory_feed(spec, splits, Share()), torch.device("cpu"))
    states = [{name: value.clone() for name, value in model.state_dict().items()}]
    steps = trainer.epoch()
    for _ in range(count):
        next(steps)
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    return trainer, states


def test_alignment_moves_the_tokenizer_alone_then_everything_moves_but_the_auxiliarys_tokenizer(weights, splits):
    spec, places = prepared(weights, "orca", rivals=RivalsConfig(alignment_steps=3))  # 3 of 12 steps
    trainer, states = epochs_of(spec, places, splits, 4)
    assert torch.equal(states[0]["blocks.1.mlp.fc1.weight"], state(weights, 4)["blocks.1.mlp.fc1.weight"])
    assert torch.equal(states[0]["tokenizer.projection.weight"], state(weights, 0)["tokenizer.projection.weight"])

    def moved(before, after):
        return {name for name in before if not torch.equal(before[name], after[name])}

    tokenizer = {"tokenizer.projection.weight", "tokenizer.projection.bias"}
    assert moved(states[0], states[1]) == set()  # the first step of a warm-up has the rate 0
    assert moved(states[1], states[2]) == moved(states[2], states[3]) == tokenizer
    assert {int(entry["step"]) for entry in trainer.optimizer.state.values()} == {1}, "the optimizer starts anew"
    everything = {name for name in states[0] if not name.startswith("source.")}
    assert moved(states[3], states[4]) == everything


def test_alignment_brings_the_tokenizers_features_nearer(weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 10, "learning_rate": 5e-3})
    spec, places = prepared(weights, "orca", finetune=recipe, rivals=RivalsConfig(alignment_steps=36))
    record, lines = run(spec, places, splits, tmp_path)
    assert lines[8]["train/added_loss"] < 0.5 * lines[0]["train/added_loss"]
    assert lines[9]["train/added_loss"] == 0  # 4 steps an epoch: the alignment is over
    assert lines[0]["train/loss"] > lines[9]["train/loss"] > 0  # measured from the start
    assert record.merge.max_logit_difference == 0
    assert record.merge.parameters == record.merge.plain_parameters


def test_a_run_that_is_interrupted_within_the_alignment_goes_on_bit_for_bit(weights, splits, tmp_path, monkeypatch):
    spec, places = prepared(weights, "orca", rivals=RivalsConfig(alignment_steps=3))
    whole = run(spec, places, splits, tmp_path / "whole")
    step = Trainer._step

    class Interruption(Exception):
        pass

    def interrupted(trainer, batch):
        if (trainer.progress.epoch, trainer.progress.step) == (1, 2):
            raise Interruption
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    places = replace(places, checkpoint_every_steps=1)
    with pytest.raises(Interruption):
        run(spec, places, splits, tmp_path / "parts")
    monkeypatch.setattr(Trainer, "_step", step)
    assert run(spec, places, splits, tmp_path / "parts") == whole


def test_the_size_of_parts_and_recomputation_do_not_change_the_alignment(weights, splits, tmp_path):
    spec, places = prepared(
        weights, "orca", finetune=RECIPE.model_copy(update={"drop_path": 0.3}), rivals=RivalsConfig(alignment_steps=3)
    )
    plain = run(spec, places, splits, tmp_path / "plain")
    assert run(spec, replace(places, gradient_checkpointing=True), splits, tmp_path / "again") == plain
    parts = run(spec, replace(places, micro_batch=3), splits, tmp_path / "parts")
    for one, other in zip(plain[1], parts[1], strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-5)
        assert one["train/added_loss"] == pytest.approx(other["train/added_loss"], rel=1e-5)


def test_an_alignment_that_leaves_no_step_is_refused():
    given = AuxiliaryData(input=AudioInput(), sha256="e" * 64)
    spec = run_spec(method="orca", pathway=None, rivals=RivalsConfig(alignment_steps=9), auxiliary_data=given)
    said = "rivals.alignment_steps: 9 must be less than the 9 steps of the run, of which they are the first; lower it."
    assert refusal(spec, Means(), Known(train=100)) == said  # 40 samples in batches of 16, 3 times
    fewer = spec.model_copy(update={"rivals": RivalsConfig(alignment_steps=8)})
    assert refusal(fewer, Means(), Known(train=100)) is None
    assert "alignment_steps" not in canonical(RivalsConfig().model_dump(mode="json"))
    assert METHODS["orca"].actions().alignment_rows == 128

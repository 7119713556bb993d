"""What steps measured reaches the history as the numbers that the device had, in order, and without a wait in every step."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from m2pt.config import ImageInput, ModelConfig, UserError
from m2pt.layers import RowNoise
from m2pt.models.drop_path import DropPath, draw_paths, paths_of
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.training.tally import BEHIND, Tally
from tests.training.test_finite import nan_head, spoiled_step, train

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda:0", marks=on_cuda)]


class Copies(TorchDispatchMode):
    """Counts what is copied to another device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._to_copy.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", DEVICES)
def test_every_measurement_comes_once_in_order_and_exactly(device):
    tally, came = Tally(torch.device(device)), []
    values = torch.rand(40, generator=torch.Generator().manual_seed(0)).to(device)
    for step in range(40):
        came += tally.add((1, step), loss=values[step], correct=torch.tensor(step, device=device))
        assert step + 1 - len(came) <= BEHIND
    came += tally.due()
    assert [(part.step, part.correct) for part in came] == [(step, step) for step in range(40)]
    assert [part.loss for part in came] == values.double().tolist()
    assert tally.due() == []


@pytest.mark.parametrize("device", DEVICES)
def test_inputs_that_are_not_finite_are_blamed(device):
    x = torch.zeros(2, 3, device=device)
    for value, blamed in ((0.0, False), (math.inf, True), (math.nan, True)):
        x[1, 2] = value
        tally = Tally(torch.device(device))
        (part,) = tally.add((1, 0), x, loss=torch.tensor(math.nan, device=device)) + tally.due()
        assert math.isnan(part.loss) and part.faulty_inputs is blamed


@on_cuda
def test_on_cuda_a_loss_that_is_not_finite_names_its_own_step(tmp_path, monkeypatch):
    spoiled_step(monkeypatch, 2, nan_head)
    with pytest.raises(UserError, match=r"epoch 2, step 4: the training loss is nan.*diverged"):
        train(tmp_path, device="cuda:0")


def test_all_draws_of_stochastic_depth_go_to_the_device_in_one_copy():
    config = ModelConfig(width=24, depth=6, heads=2)
    model = Model("image", ImageInput(), config, 3, drop_path=0.5)
    paths = paths_of(model)
    assert len(paths) == sum(isinstance(module, DropPath) for module in model.modules()) > 6
    noise = RowNoise(7, 4, torch.arange(4))
    with Copies() as copies:
        draw_paths(paths, noise, torch.device("meta"))
    assert copies.count == 1
    draw_paths(paths, noise, torch.device("cpu"))
    for name, module in paths:
        generator = torch.Generator().manual_seed(derived_seed(7, f"drop path {name}"))
        kept = torch.rand(4, 1, 1, generator=generator) >= module.rate
        assert module.factors is not None and torch.equal(module.factors, kept.float() / (1 - module.rate))

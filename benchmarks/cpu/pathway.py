"""What the pathway costs on this processor: steps of ViT-S and ViT-B with and without it, and the inference after its merge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks.cpu.memory import peak_of
from benchmarks.cpu.sizes import VIT_S, large
from benchmarks.measuring.clock import in_turn, median, quartiles, ratio
from benchmarks.measuring.fixtures import SCALE, Setup, model_of
from benchmarks.measuring.parts import Row, at_most, measured
from benchmarks.measuring.steps import builders, merged_inference, merged_parameters, step_of
from m2pt import pathway
from m2pt.config import ModelConfig
from m2pt.modalities.recipe import VIT_B
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

RELEASED = "as released, trainable"
BRANCHES = "two branches, trainable"


@dataclass(frozen=True)
class _Case:
    """A model with its batch, its limits of a step beside the plain model's, and how often its steps are repeated."""

    name: str
    model: ModelConfig
    batch: int
    limits: dict[str, float]
    repeats: int
    without: tuple[str, ...] = ()


_SMALL = _Case("ViT-S, batch 16", VIT_S, 16, {"frozen": 1.03, "trainable": 1.08}, 4, without=(BRANCHES,))
_BASE = _Case("ViT-B, batch 2", VIT_B, 2, {"frozen": 1.10, "trainable": 1.25}, 4)


def vit_s(setup: Setup) -> list[Row]:
    """Forward, backward and AdamW of ViT-S; branches, whose cost the batch of ViT-B shows, are left out."""
    return _steps(_SMALL, setup)


def vit_b(setup: Setup) -> list[Row]:
    """The same of ViT-B with so few samples that what is done once a step, to each weight, counts most."""
    return _steps(_BASE, setup)


def inference(setup: Setup) -> list[Row]:
    """A merged model is a plain one."""
    rows = []
    for case, batch in ((_SMALL, 4), (_BASE, 2)):
        spec, name = large(case.model, batch, setup), case.name.partition(",")[0]
        rows.append(merged_inference(spec, setup, 10, f"{name}, batch {batch}: inference, merged / plain, 1 within the spread"))
        rows.append(merged_parameters(spec, f"{name}: merged, as many parameters as plain"))
    return rows


def _steps(case: _Case, setup: Setup) -> list[Row]:
    spec = large(case.model, case.batch, setup)
    models = builders(spec) | {RELEASED: lambda: _released(spec)}
    steps, peaks = {}, {}
    for name, build in models.items():
        if name not in case.without:
            model = build()
            steps[name] = step_of(model, spec, setup)
            peaks[name] = _peak(model, steps[name])
    taken = in_turn(steps, setup, case.repeats, warm_up=0)
    rows = [measured(f"{case.name}: step, plain", median(taken["plain"]), "ms", quartiles(taken["plain"]))]
    for name in list(taken)[1:]:
        times, apart = ratio(taken[name], taken["plain"])
        what = f"{case.name}: step, {name} / plain"
        limit = case.limits.get(name)
        rows.append(measured(what, times, "", apart) if limit is None else at_most(what, times, limit, spread=apart))
    for name, peak in peaks.items():
        said = "" if name == "plain" else f" ({peak / peaks['plain']:.2f} of plain)"
        rows.append(measured(f"{case.name}: peak memory, {name}", peak / 2**20, "MiB", said=said))
    return rows


def _peak(model: Model, step: Callable[[], None]) -> int:
    """The most bytes of tensors in a step: weights, moments, and what the second step allocates (the first makes the moments)."""
    step()
    moments = 2 * sum(weight.nbytes for weight in model.parameters() if weight.requires_grad)
    return sum(weight.nbytes for weight in (*model.parameters(), *model.buffers())) + moments + peak_of(step)


class _Released(nn.Linear):
    """A linear layer of the formula as the release computes it: its forward pass adds up the weights."""

    scale: nn.Parameter
    auxiliary: nn.Parameter

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return nn.functional.linear(x, self.weight + self.scale * self.auxiliary, self.bias)


def _released(spec: RunSpec) -> Model:
    model, other = model_of(spec, "plain"), random_encoder(spec.model, seed=1)
    for block, theirs in zip(model.blocks, other.blocks, strict=True):
        for name in pathway.JOINABLE:
            layer = block.get_submodule(name)
            layer.__class__ = _Released
            layer.scale = nn.Parameter(torch.tensor([SCALE]))
            layer.auxiliary = nn.Parameter(cast(Tensor, theirs.get_submodule(name).weight).detach().clone())
    return model

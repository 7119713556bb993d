"""Steps of a model with and without a pathway, and the inference after its merge; nothing but the model differs between them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmarks.measuring.clock import in_turn, median, quartiles
from benchmarks.measuring.fixtures import CLASSES, SCALE, Setup, Variant, join, model_of, samples_of
from benchmarks.measuring.parts import Row, must
from m2pt import pathway
from m2pt.joining.sums import summed_layers, summed_once
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec
from m2pt.training.precision import autocast, half


def builders(spec: RunSpec) -> dict[str, Callable[[], Model]]:
    """What makes each model: the plain one, ours with a fixed auxiliary and with one that trains, and two rivals."""
    ours: tuple[Variant, ...] = ("plain", "frozen", "trainable")
    return {name: partial(model_of, spec, name) for name in ours} | {
        "torch's parametrize, trainable": partial(_parametrized, spec),
        "two branches, trainable": partial(_branches, spec),
    }


def _branches(spec: RunSpec) -> Model:
    model = model_of(spec, "plain")
    join(model, spec, branches=True)
    return model


class _Sum(nn.Module):
    """W + scale * W_aux, as torch's own parametrization."""

    def __init__(self, auxiliary: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(SCALE))
        self.auxiliary = nn.Parameter(auxiliary.clone())

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer computes with."""
        return weight + self.scale * self.auxiliary


def _parametrized(spec: RunSpec) -> Model:
    model, other = model_of(spec, "plain"), random_encoder(spec.model, seed=1)
    for block, theirs in zip(model.blocks, other.blocks, strict=True):
        for layer in pathway.JOINABLE:
            auxiliary = cast(Tensor, theirs.get_submodule(layer).weight).detach()
            parametrize.register_parametrization(block.get_submodule(layer), "weight", _Sum(auxiliary))
    return model


def step_of(model: Model, spec: RunSpec, setup: Setup) -> Callable[[], None]:
    """Forward, backward and AdamW in the recipe's precision, without a trainer, so that nothing but the model differs."""
    precision, batch = spec.finetune.precision, spec.finetune.batch_size
    model.train()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4, fused=True)
    x = samples_of(spec.input, batch, seed=0).x.to(setup.device)
    y = (torch.arange(batch) % len(CLASSES)).to(setup.device)
    joined = summed_layers(model)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with summed_once(joined, half(precision)):  # as the trainer does
            with autocast(precision, setup.device):
                loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
        optimizer.step()

    return step


def merged_inference(
    spec: RunSpec, setup: Setup, repeats: int | None = None, name: str = "inference, merged / plain: 1 within the spread"
) -> Row:
    """A merged model costs what the plain one costs."""
    precision = spec.finetune.precision
    models: dict[Variant, Model] = {name: model_of(spec, name).to(setup.device).eval() for name in ("plain", "trainable")}
    pathway.merge(models["trainable"])
    x = samples_of(spec.input, spec.finetune.batch_size, seed=0).x.to(setup.device)

    def forward(model: Model) -> Callable[[], Tensor]:
        def step() -> Tensor:
            with torch.no_grad(), autocast(precision, setup.device):
                logits: Tensor = model(x)
            return logits

        return step

    taken = in_turn({name: forward(model) for name, model in models.items()}, setup, repeats)
    ratio = median(taken["trainable"]) / median(taken["plain"])
    apart, room = abs(ratio - 1), max(quartiles(taken[name]) for name in models)
    return replace(must(name, apart <= room, f"{ratio:.3f} ± {room:.1%}"), number=ratio, spread=room)


def merged_parameters(spec: RunSpec, what: str) -> Row:
    """A merged model has as many parameters as the plain one."""
    models = [model_of(spec, "trainable"), model_of(spec, "plain")]
    pathway.merge(models[0])
    counts = [sum(weight.numel() for weight in model.parameters()) for model in models]
    return must(what, counts[0] == counts[1], f"{counts[0]:,}")

"""A step of the embedded study's pretraining by modality, and its parts: the product's own steps, with clocks between."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from benchmarks.cpu.sizes import embedded
from benchmarks.measuring.clock import median, quartiles
from benchmarks.measuring.fixtures import Setup, samples_of
from benchmarks.measuring.parts import Row, measured
from m2pt.config import Modality
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.spec import PretrainSpec
from m2pt.training.pretrain import MaskedAutoencoder, batches, reconstruction_loss
from m2pt.training.pretraining_steps import Course, do_steps

PARTS = ("draw and augment", "patchify and embed", "encoder", "decoder and prediction", "loss", "backward", "optimizer", "else")
_TURNS, _STEPS, _WARM_UP = 3, 40, 5


def pretraining(setup: Setup) -> list[Row]:
    """Masked autoencoding of each modality, in turns, as jobs do it."""
    torch.use_deterministic_algorithms(True)
    taken: dict[Modality, list[dict[str, float]]] = defaultdict(list)
    for _ in range(1 if setup.tiny else _TURNS):
        for modality in embedded().sweep.targets:
            taken[modality] += _steps(modality, 4 if setup.tiny else _WARM_UP + _STEPS)[1 if setup.tiny else _WARM_UP :]
    rows = []
    for modality, steps in taken.items():
        whole = [sum(parts.values()) for parts in steps]
        rows.append(measured(f"pretraining step, {modality}", median(whole), "ms", quartiles(whole)))
        for part in PARTS:
            times = [parts[part] for parts in steps]
            rows.append(measured(f"pretraining step, {modality}: {part}", median(times), "ms", quartiles(times)))
    return rows


def _steps(modality: Modality, count: int) -> list[dict[str, float]]:
    """The milliseconds of the parts of each step but the last, whose end is not seen."""
    study = embedded()
    recipe = study.pretrain.mae.model_copy(update={"steps": count})
    inputs = getattr(study.inputs, modality)
    spec = PretrainSpec(
        modality=modality,
        source="mae",
        seed=0,
        input=inputs,
        model=study.model,
        pretrain=recipe,
        data_sha256="0" * 64,
        start=None,
    )
    torch.manual_seed(0)
    model = MaskedAutoencoder(modality, inputs, study.model, recipe.decoder_depth)
    clock = _Clock()
    draw = batches(spec, recipe, _pool(spec))

    def drawn(noise: torch.Generator) -> tuple[Tensor, Tensor]:
        clock.next("else")
        clock.begin()
        batch = draw(noise)
        clock.next("draw and augment")
        return batch

    def loss_of(x: Tensor, y: Tensor, noise: torch.Generator) -> Tensor:
        loss = reconstruction_loss(model, spec, recipe.mask_ratio, x, noise)
        clock.next("loss")
        return loss

    with tempfile.TemporaryDirectory() as folder, _hooks(model, clock):
        do_steps(spec, model, recipe, drawn, loss_of, dict, Course(Path(folder)))
    return clock.steps[:-1]


def _pool(spec: PretrainSpec) -> Samples:
    return samples_of(spec.input, 1000, seed=0)


class _Clock:
    """The processor time between calls, added up by the names that they give to what lies before them."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self._last = time.process_time()

    def begin(self) -> None:
        """A step begins."""
        self.steps.append(dict.fromkeys(PARTS, 0.0))

    def next(self, part: str) -> None:
        """A part ends, and another one begins."""
        now = time.process_time()
        if self.steps:
            self.steps[-1][part] += 1000 * (now - self._last)
        self._last = now


@contextmanager
def _hooks(model: MaskedAutoencoder, clock: _Clock) -> Iterator[None]:
    """Clocks where the encoder begins and ends, where the prediction ends, and around the optimizer."""

    def ends(part: str) -> Any:
        return lambda *_: clock.next(part)

    modules: tuple[tuple[nn.Module, str], ...] = ((model.encoder, "encoder"), (model, "decoder and prediction"))
    hooks = [
        model.encoder.register_forward_pre_hook(ends("patchify and embed")),
        *(module.register_forward_hook(ends(part)) for module, part in modules),
        register_optimizer_step_pre_hook(ends("backward")),
        register_optimizer_step_post_hook(ends("optimizer")),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

"""What does the pathway cost on this device? One step of ViT-B with and without it, and the inference after its merge."""

import gc
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmarks.gpu.clock import device_events, in_turn, median, quartiles, spread
from benchmarks.gpu.fixtures import CLASSES, SCALE, Setup, Variant, join, model_of, recipe_of, samples_of, spec_of
from benchmarks.gpu.parts import Row, at_most, must
from m2pt import pathway
from m2pt.joining.sums import summed_layers, summed_once
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

LIMITS = {"frozen": 1.03, "trainable": 1.10}
ROOM = 1.02


def pathway_step(setup: Setup) -> list[Row]:
    """Forward, backward and AdamW, in bf16, of the plain model, our pathway and two rivals."""
    spec = _spec(setup)
    steps, peaks = {}, {}
    builders = _builders(spec)
    for name, build in builders.items():
        peaks[name] = _peak(build, spec, setup)
    for name, build in builders.items():
        steps[name] = _step(build().to(setup.device), spec, setup)
    taken = in_turn(steps, setup)
    plain = median(taken["plain"])
    rows = [Row("step, plain model", f"{plain:.2f} ms{spread(taken['plain'])}; {_mib(peaks['plain'])}")]
    for name, times in taken.items():
        if name in LIMITS:
            rows.append(at_most(f"step, pathway {name} / plain", median(times) / plain, LIMITS[name], spread(times)))
        elif name != "plain":
            rows.append(Row(f"step, {name} / plain", f"{median(times) / plain:.3f}{spread(times)}; {_mib(peaks[name])}"))
    return rows + _kernels(steps, setup) + _memory(peaks, spec, setup)


def _kernels(steps: dict[str, Callable[[], None]], setup: Setup) -> list[Row]:
    """The device's own work in the same steps: what they cost where the program that starts the kernels is fast enough."""
    if setup.device.type != "cuda":
        return [Row("device time of a step", "only on CUDA")]
    work = {name: device_events(step, setup)[0] for name, step in steps.items()}
    rows = [Row("device time, plain model", f"{work['plain']:.2f} ms")]
    for name, milliseconds in work.items():
        ratio = milliseconds / work["plain"]
        if name in LIMITS:
            rows.append(at_most(f"device time, pathway {name} / plain", ratio, LIMITS[name]))
        elif name != "plain":
            rows.append(Row(f"device time, {name} / plain", f"{ratio:.3f}"))
    return rows


def _memory(peaks: dict[str, int], spec: RunSpec, setup: Setup) -> list[Row]:
    """Peak memory against the plain model and what the auxiliary's weights, gradients and moments need."""
    if setup.device.type != "cuda":
        return [Row("peak memory", "only on CUDA")]
    weights = sum(weight.numel() for weight in pathway.auxiliary_weights(model_of(spec, "frozen")).values())
    rows = []
    for name, each in (("frozen", 2), ("trainable", 16)):
        allowed = peaks["plain"] * ROOM + each * weights
        said = f"{_mib(peaks[name])}, plain {_mib(peaks['plain'])}, {weights / 1e6:.0f} M auxiliary weights"
        limit = f"plain + 2 % + {each} bytes a weight: {_mib(allowed)}"
        rows.append(Row(f"peak memory, pathway {name}", said, limit, peaks[name] <= allowed))
    return rows


def _spec(setup: Setup) -> RunSpec:
    return spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=True)


def _builders(spec: RunSpec) -> dict[str, Callable[[], Model]]:
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


def _step(model: Model, spec: RunSpec, setup: Setup) -> Callable[[], None]:
    """A step without a trainer, so that nothing but the model differs."""
    model.train()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4, fused=True)
    x = samples_of(spec.input, setup.batch, seed=0).x.to(setup.device)
    y = (torch.arange(setup.batch) % len(CLASSES)).to(setup.device)
    joined = summed_layers(model)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with summed_once(joined, torch.bfloat16):  # as the trainer does
            with torch.autocast(setup.device.type, dtype=torch.bfloat16):
                loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
        optimizer.step()

    return step


def _peak(build: Callable[[], Model], spec: RunSpec, setup: Setup) -> int:
    """The most memory of a few steps of one model alone, in bytes; 0 where the device does not count it."""
    step = _step(build().to(setup.device), spec, setup)
    if setup.device.type != "cuda":
        return 0
    step()
    torch.cuda.reset_peak_memory_stats(setup.device)
    step()
    step()
    setup.wait()
    peak = int(torch.cuda.max_memory_allocated(setup.device))
    del step
    gc.collect()
    torch.cuda.empty_cache()
    return peak


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def inference(setup: Setup) -> list[Row]:
    """A merged model costs what the plain one costs."""
    spec = _spec(setup)
    models: dict[Variant, Model] = {name: model_of(spec, name).to(setup.device).eval() for name in ("plain", "trainable")}
    pathway.merge(models["trainable"])
    x = samples_of(spec.input, setup.batch, seed=0).x.to(setup.device)

    def forward(model: Model) -> Callable[[], Tensor]:
        def step() -> Tensor:
            with torch.no_grad(), torch.autocast(setup.device.type, dtype=torch.bfloat16):
                logits: Tensor = model(x)
            return logits

        return step

    taken = in_turn({name: forward(model) for name, model in models.items()}, setup)
    ratio = median(taken["trainable"]) / median(taken["plain"])
    apart, room = abs(ratio - 1), max(quartiles(taken[name]) for name in models)
    return [must("inference, merged / plain: 1 within the spread", apart <= room, f"{ratio:.3f} ± {room:.1%}")]

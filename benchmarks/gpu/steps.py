"""What does the pathway cost on this device? One step of ViT-B with and without it, and the inference after its merge."""

import gc
from collections.abc import Callable

import torch

from benchmarks.gpu.device_events import device_events
from benchmarks.measuring.clock import in_turn, median, quartiles
from benchmarks.measuring.fixtures import Setup, model_of, recipe_of, spec_of
from benchmarks.measuring.parts import Row, at_most, measured, mebibytes
from benchmarks.measuring.steps import builders, merged_inference, step_of
from m2pt import pathway
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

LIMITS = {"frozen": 1.03, "trainable": 1.10}
ROOM = 1.02


def pathway_step(setup: Setup) -> list[Row]:
    """Forward, backward and AdamW, in bf16, of the plain model, our pathway and two rivals."""
    spec = _spec(setup)
    steps, peaks = {}, {}
    models = builders(spec)
    for name, build in models.items():
        peaks[name] = _peak(build, spec, setup)
    for name, build in models.items():
        steps[name] = step_of(build().to(setup.device), spec, setup)
    taken = in_turn(steps, setup)
    plain = median(taken["plain"])
    rows = [measured("step, plain model", plain, "ms", quartiles(taken["plain"]), f"; {mebibytes(peaks['plain'])}")]
    for name, times in taken.items():
        ratio, apart = median(times) / plain, quartiles(times)
        if name in LIMITS:
            rows.append(at_most(f"step, pathway {name} / plain", ratio, LIMITS[name], spread=apart))
        elif name != "plain":
            rows.append(measured(f"step, {name} / plain", ratio, "", apart, f"; {mebibytes(peaks[name])}"))
    return rows + _kernels(steps, setup) + _memory(peaks, spec, setup)


def _kernels(steps: dict[str, Callable[[], None]], setup: Setup) -> list[Row]:
    """The device's own work in the same steps: what they cost where the program that starts the kernels is fast enough."""
    if setup.device.type != "cuda":
        return [Row("device time of a step", "only on CUDA")]
    work = {name: device_events(step, setup)[0] for name, step in steps.items()}
    rows = [measured("device time, plain model", work["plain"], "ms")]
    for name, milliseconds in work.items():
        ratio = milliseconds / work["plain"]
        if name in LIMITS:
            rows.append(at_most(f"device time, pathway {name} / plain", ratio, LIMITS[name]))
        elif name != "plain":
            rows.append(measured(f"device time, {name} / plain", ratio, ""))
    return rows


def _memory(peaks: dict[str, int], spec: RunSpec, setup: Setup) -> list[Row]:
    """Peak memory against the plain model and what the auxiliary's weights, gradients and moments need."""
    if setup.device.type != "cuda":
        return [Row("peak memory", "only on CUDA")]
    weights = sum(weight.numel() for weight in pathway.auxiliary_weights(model_of(spec, "frozen")).values())
    rows = []
    for name, each in (("frozen", 2), ("trainable", 16)):
        allowed = peaks["plain"] * ROOM + each * weights
        said = f"{mebibytes(peaks[name])}, plain {mebibytes(peaks['plain'])}, {weights / 1e6:.0f} M auxiliary weights"
        limit = f"plain + 2 % + {each} bytes a weight: {mebibytes(allowed)}"
        rows.append(Row(f"peak memory, pathway {name}", said, limit, peaks[name] <= allowed))
    return rows


def _spec(setup: Setup) -> RunSpec:
    return spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=True)


def _peak(build: Callable[[], Model], spec: RunSpec, setup: Setup) -> int:
    """The most memory of a few steps of one model alone, in bytes; 0 where the device does not count it."""
    step = step_of(build().to(setup.device), spec, setup)
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


def inference(setup: Setup) -> list[Row]:
    """A merged model costs what the plain one costs."""
    return [merged_inference(_spec(setup), setup)]

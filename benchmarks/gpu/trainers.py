"""What our trainer costs beside a loop by hand, how busy the device is, and what equal runs cost."""

from collections.abc import Callable, Iterator

import torch
from timm.layers.drop import DropPath as TimmDropPath
from torch import nn

from benchmarks.gpu.clock import PROFILED, device_events, in_turn, median, spread
from benchmarks.gpu.fixtures import INPUTS, SMALL, Setup, model_of, recipe_of, samples_of, spec_of, trainer_of
from benchmarks.gpu.parts import Row, at_least, at_most
from m2pt.config import PathwayConfig
from m2pt.models.drop_path import DropPath
from m2pt.runs.spec import RunSpec
from m2pt.training.optim import build_optimizer


def trainer(setup: Setup) -> list[Row]:
    """Steps of ViT-B from memory: ours, the same by hand, ours without deterministic kernels."""
    spec = spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=False)
    steps = {"by hand": _by_hand(spec, setup), "ours": _ours(spec, setup), "ours, deterministic": _ours(spec, setup, True)}
    taken = in_turn(steps, setup)
    torch.use_deterministic_algorithms(False)
    hand, ours, equal = (median(taken[name]) for name in steps)
    rate = f"{1000 * setup.batch / ours:,.0f} samples a second"
    return [
        Row("trainer, a loop by hand", f"{hand:.2f} ms{spread(taken['by hand'])}"),
        at_most("trainer, ours / by hand", ours / hand, 1.02, f"{spread(taken['ours'])}; {rate}"),
        Row("trainer, deterministic kernels / any", f"{equal / ours:.3f}{spread(taken['ours, deterministic'])}"),
    ]


def small_trainers(setup: Setup) -> list[Row]:
    """The same of the embedded study's models, where the device waits for the program."""
    rows = []
    for modality, inputs in INPUTS.items():
        spec = spec_of(modality, inputs, SMALL, recipe_of("bf16", 32), joined=False)
        taken = in_turn({"by hand": _by_hand(spec, setup), "ours": _ours(spec, setup)}, setup)
        hand, ours = median(taken["by hand"]), median(taken["ours"])
        rows.append(Row(f"trainer, small model, {modality}: ours / by hand", f"{ours / hand:.3f}; {ours:.2f} and {hand:.2f} ms"))
    return rows


def busy(setup: Setup) -> list[Row]:
    """The share of the steps in which the device computes, by torch's profiler."""
    spec = spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=True)
    step = _ours(spec, setup, joined=True)
    for _ in range(5):
        step()
    setup.wait()
    if setup.device.type != "cuda":
        return [Row("device busy", "only on CUDA")]
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(PROFILED):
        step()
    end.record()
    setup.wait()
    work, copies = device_events(step, setup)
    rows = [at_least("device busy in our steps, from memory", work * PROFILED / begin.elapsed_time(end), 0.95)]
    return rows + [Row(f"{name} a step", f"{count:.1f}") for name, count in sorted(copies.items())]


def _ours(spec: RunSpec, setup: Setup, equal: bool = False, joined: bool = False) -> Callable[[], None]:
    """A step of our trainer, of epochs without end."""
    samples = samples_of(spec.input, spec.finetune.batch_size * 4, seed=0)
    one = trainer_of(spec, "trainable" if joined else "plain", samples, setup)

    def steps() -> Iterator[int]:
        while True:
            yield from one.epoch()
            one.progress.step = 0

    turning = steps()

    def step() -> None:
        torch.use_deterministic_algorithms(equal)
        next(turning)

    return step


def _by_hand(spec: RunSpec, setup: Setup) -> Callable[[], None]:
    """What a person would write: the same model, optimizer, loss, samples and precision, and stochastic depth by timm."""
    model = model_of(spec, "plain").to(setup.device).train()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, DropPath):
                setattr(module, name, TimmDropPath(child.rate))
    optimizer, schedule = build_optimizer(model, spec.finetune, 200, PathwayConfig())
    samples = samples_of(spec.input, spec.finetune.batch_size * 4, seed=0)
    place, order = 0, torch.randperm(len(samples.y))

    def step() -> None:
        nonlocal place
        torch.use_deterministic_algorithms(False)
        size = spec.finetune.batch_size
        chosen = order[place * size : (place + 1) * size]
        x, y = samples.x[chosen].to(setup.device), samples.y[chosen].to(setup.device)
        place = (place + 1) % 4
        schedule.apply(optimizer, place)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(setup.device.type, dtype=torch.bfloat16):
            logits = model(x)
        loss = nn.functional.cross_entropy(logits.float(), y, label_smoothing=spec.finetune.label_smoothing)
        loss.backward()
        if spec.finetune.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), spec.finetune.clip_norm)
        optimizer.step()

    return step

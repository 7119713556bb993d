"""What our trainer costs beside a loop by hand, how busy the device is, and what equal runs cost."""

import torch

from benchmarks.gpu.device_events import PROFILED, device_events
from benchmarks.measuring.clock import in_turn, median, quartiles
from benchmarks.measuring.fixtures import INPUTS, SMALL, Setup, recipe_of, spec_of
from benchmarks.measuring.parts import Row, at_least, at_most, measured
from benchmarks.measuring.stacks import stacking
from benchmarks.measuring.trainers import our_step, step_by_hand


def trainer(setup: Setup) -> list[Row]:
    """Steps of ViT-B from memory: ours, the same by hand, ours without deterministic kernels."""
    spec = spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=False)
    steps = {
        "by hand": step_by_hand(spec, setup),
        "ours": our_step(spec, setup),
        "ours, deterministic": our_step(spec, setup, deterministic=True),
    }
    taken = in_turn(steps, setup)
    torch.use_deterministic_algorithms(False)
    (hand, ours, equal), (apart, *aparts) = ([of(taken[name]) for name in steps] for of in (median, quartiles))
    rate = f"; {1000 * setup.batch / ours:,.0f} samples a second"
    return [
        measured("trainer, a loop by hand", hand, "ms", apart),
        at_most("trainer, ours / by hand", ours / hand, 1.02, rate, aparts[0]),
        measured("trainer, deterministic kernels / any", equal / ours, "", aparts[1]),
    ]


def small_trainers(setup: Setup) -> list[Row]:
    """The same of the embedded study's models, where the device waits for the program."""
    rows = []
    for modality, inputs in INPUTS.items():
        spec = spec_of(modality, inputs, SMALL, recipe_of("bf16", 32), joined=False)
        taken = in_turn({"by hand": step_by_hand(spec, setup), "ours": our_step(spec, setup)}, setup)
        hand, ours = median(taken["by hand"]), median(taken["ours"])
        what, said = f"trainer, small model, {modality}: ours / by hand", f"; {ours:.2f} and {hand:.2f} ms"
        rows.append(measured(what, ours / hand, "", said=said))
    return rows


def stacks(setup: Setup) -> list[Row]:
    """Runs of the embedded study's size, one by one and as a stack."""
    spec = spec_of("image", INPUTS["image"], SMALL, recipe_of("bf16", 32), joined=False)
    return stacking("small runs, image", spec, 4 if setup.tiny else 16, setup)


def busy(setup: Setup) -> list[Row]:
    """The share of the steps in which the device computes, by torch's profiler."""
    spec = spec_of("image", setup.image, setup.model, recipe_of("bf16", setup.batch), joined=True)
    step = our_step(spec, setup, joined=True)
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

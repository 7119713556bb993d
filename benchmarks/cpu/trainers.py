"""What our trainer costs beside a loop by hand, on samples in memory."""

import torch

from benchmarks.cpu.sizes import VIT_S, embedded, large, small
from benchmarks.measuring.clock import in_turn, median, quartiles, ratio
from benchmarks.measuring.fixtures import Setup
from benchmarks.measuring.parts import Row, at_most, measured
from benchmarks.measuring.stacks import stacking
from benchmarks.measuring.trainers import our_step, step_by_hand
from m2pt.runs.spec import RunSpec

LIMIT = 1.02
_BATCHES = 16
"""Batches of an epoch, as of the embedded study's 500 samples."""


def small_trainers(setup: Setup) -> list[Row]:
    """Steps of the embedded study's fine-tuning."""
    return [row for modality in embedded().sweep.targets for row in _beside(f"trainer, {modality}", small(modality), setup, 100)]


def stacks(setup: Setup) -> list[Row]:
    """Runs of the embedded study's fine-tuning, one by one and as a stack."""
    return [row for count in (4, 16) for row in stacking("small runs, image", small("image"), count, setup)]


def large_trainer(setup: Setup) -> list[Row]:
    """Steps of ViT-S."""
    recipe = embedded().finetune.model_copy(update={"samples": "all", "batch_size": 4 if setup.tiny else 16})
    return _beside("trainer, ViT-S, batch 16", large(VIT_S, 16, setup, recipe), setup, 4)


def _beside(name: str, spec: RunSpec, setup: Setup, repeats: int) -> list[Row]:
    batches = _BATCHES if spec.model.width < 200 and not setup.tiny else 2
    steps = {
        "by hand": step_by_hand(spec, setup, batches),
        "ours": our_step(spec, setup, batches=batches),
        "as in a job": our_step(spec, setup, deterministic=True, batches=batches),
    }
    taken = in_turn(steps, setup, repeats, warm_up=1 if repeats < 10 else 10)
    torch.use_deterministic_algorithms(False)
    times, apart = ratio(taken["ours"], taken["by hand"])
    equal, equal_apart = ratio(taken["as in a job"], taken["ours"])
    return [
        measured(f"{name}: a loop by hand", median(taken["by hand"]), "ms", quartiles(taken["by hand"])),
        at_most(f"{name}: ours / by hand", times, LIMIT, spread=apart),
        measured(f"{name}: deterministic, as in a job / any", equal, "", equal_apart),
    ]

"""One optimisation step of every published recipe at full ViT-B size, on random samples, on the CPU or a GPU.

    .venv/bin/python benchmarks/full_size_step.py [--device cuda] [--recipe NAME]

Builds the recipe's model with a pathway from a random auxiliary, takes one step on two samples, and checks that the loss is
finite, that everything trainable got a gradient and that every scale moved. Prints the loss, how far the scales moved, the
seconds of building and of the step, and the peak memory. Each recipe runs in a process of its own, one after another. Expect 5 s
(points) to 2 minutes (scenes) and 2 to 6 GiB each on two cores.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as in a job; read when CUDA starts

import torch
from torch import Tensor

from m2pt import pathway
from m2pt.config import (
    DATASETS,
    MODALITIES,
    AudioInput,
    Goal,
    ImageInput,
    InputConfig,
    Modality,
    PathwayConfig,
    PointInput,
    VideoInput,
)
from m2pt.layers import RowNoise
from m2pt.modalities.dataset import DatasetFacts
from m2pt.modalities.image.transforms.instances import packed
from m2pt.modalities.recipe import VIT_B, Recipe
from m2pt.modalities.registry import SPECS, dataset
from m2pt.models.drop_path import draw_paths, paths_of
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.training.goals import training_loss
from m2pt.training.optim import build_optimizer, clip_gradients, freeze_for

BATCH = 2
STEPS = 100_000
"""Length of the schedule, of which the step in the middle is taken: the first step of a warm-up has a rate of zero."""

OTHER_NAMES = {"kinetics400": "kinetics", "finetune": "imagenet", "linear-probe": "imagenet"}
"""Other names by which recipes refer to data sets."""


@dataclass(frozen=True)
class Outcome:
    """The result of one step."""

    loss: float
    moved: tuple[float, float]  # the smallest and the largest way of a scale
    build_seconds: float
    step_seconds: float
    trainable: int


def facts_of(name: str) -> DatasetFacts:
    """The size of the data set that a recipe is named after."""
    known = {name: name for name in DATASETS} | OTHER_NAMES
    named = [meant for part, meant in known.items() if part in name]
    if not named:
        raise SystemExit(f"{name}: names no known data set; add what it means to OTHER_NAMES.")
    return next(iter(dataset(named[-1]).facts.values()))


def random_input(config: InputConfig) -> Tensor:
    """Samples in the form that the readers give."""
    match config:
        case ImageInput():
            return torch.rand(BATCH, config.channels, config.size, config.size)
        case AudioInput():
            return config.mean + 2 * config.std * torch.randn(BATCH, 1, config.frames, config.mels)
        case PointInput():
            points_BP3 = torch.randn(BATCH, config.points, 3)
            radius_B: Tensor = points_BP3.norm(dim=-1).amax(dim=1)
            return points_BP3 / radius_B[:, None, None]
        case VideoInput():
            return torch.rand(BATCH, config.channels, config.frames, config.size, config.size)


def random_labels(goal: Goal, facts: DatasetFacts, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Labels, and the object categories if the model gets them."""
    if goal == "classification":
        return torch.randint(facts.classes, (BATCH,)), None
    if goal == "tagging":
        return (torch.rand(BATCH, facts.classes) < 2 / facts.classes).float(), None
    if goal == "semantic_segmentation":
        return torch.randint(-1, facts.classes, (BATCH, *x.shape[-2:])), None
    if goal == "instance_segmentation":
        masks = [torch.zeros(x.shape[-2:], dtype=torch.bool).numpy() for _ in range(3)]
        for number, mask in enumerate(masks):
            mask[100 * number :, : 300 * (number + 1)] = True
        objects = packed(masks, list(range(3)), x.shape[-1]).expand(BATCH, -1, -1)
        return objects, objects
    return torch.randint(facts.classes, (BATCH, x.shape[1])), torch.randint(facts.categories, (BATCH,))


def build(modality: Modality, recipe: Recipe, facts: DatasetFacts) -> Model:
    """The model of a recipe, joined with a random auxiliary; linear probing only trains the scales and the head."""
    fixed = recipe.finetune.head == "class_token"
    model = Model(
        modality,
        recipe.input,
        VIT_B,
        facts.classes,
        head=recipe.finetune.head,
        head_init_std=recipe.finetune.head_init_std,
        drop_path=recipe.finetune.drop_path,
        num_categories=facts.categories,
        norm_rows=recipe.finetune.norm_rows,
        side_head=recipe.finetune.side_loss > 0,
        added=recipe.finetune.blocks,
    )
    pathway.attach(model, random_encoder(VIT_B, seed=1), auxiliary_trainable=not fixed)
    freeze_for("fix" if fixed else "full", model)
    model.tokenizer.take(recipe.finetune.augment)
    return model


def step(modality: Modality, name: str, recipe: Recipe, device: torch.device) -> Outcome:
    """Take one step and check what it did, with the algorithms of a job."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    start = time.perf_counter()
    facts = facts_of(name)
    model = build(modality, recipe, facts).train().to(device)
    optimizer, schedule = build_optimizer(model, recipe.finetune, STEPS, PathwayConfig())
    schedule.apply(optimizer, STEPS // 2)
    rows = 1 if recipe.goal == "instance_segmentation" else BATCH  # whose attention to all takes 800 MB in each block and row
    model.gradient_checkpointing = rows == 1
    x = random_input(recipe.input)[:rows].to(device)
    y, given = random_labels(recipe.goal, facts, x)
    y, given = y[:rows].to(device), None if given is None else given[:rows].to(device)
    built = time.perf_counter()
    noise = RowNoise(derived_seed(0, "noise"), rows, torch.arange(rows))
    draw_paths(paths_of(model), noise, x.device)
    model.draw(noise, x.device)
    outputs = model(x) if given is None else model(x, given)
    loss = training_loss(recipe.finetune, recipe.goal, outputs, y).mean()
    loss.backward()
    clip_gradients(model.parameters(), recipe.finetune.clip_norm)
    before = {key: scale.detach().clone() for key, scale in pathway.scales(model).items()}
    optimizer.step()
    done = time.perf_counter()
    moved = [_way(key, scale, before[key]) for key, scale in pathway.scales(model).items()]
    idle = [key for key, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    if not torch.isfinite(loss) or idle:
        raise SystemExit(f"{name}: the loss is {float(loss.detach())}; without a gradient: {', '.join(idle) or 'nothing'}.")
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return Outcome(float(loss.detach()), (min(moved), max(moved)), built - start, done - built, trainable)


def _way(key: str, scale: torch.nn.Parameter, before: Tensor) -> float:
    """How far a scale moved."""
    if scale.grad is None or not torch.isfinite(scale.grad).all() or (scale.grad == 0).any():
        raise SystemExit(f"{key}: the scale has no gradient.")
    way = float((scale.detach() - before).abs().min())
    if way == 0:
        raise SystemExit(f"{key}: the scale did not move.")
    return way


def main() -> int:
    """Run one recipe here, or all of them in processes of their own; 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    chosen, device = options.recipe, torch.device(options.device)
    known = {name: (modality, recipe) for modality in MODALITIES for name, recipe in SPECS[modality].recipes.items()}
    if chosen is None:
        codes = [
            subprocess.run([sys.executable, __file__, "--recipe", name, "--device", options.device]).returncode for name in known
        ]
        print(f"{codes.count(0)} of {len(codes)} recipes took their step")
        return int(any(codes))
    if chosen not in known:
        raise SystemExit(f"there is no recipe {chosen!r}; known: {', '.join(known)}.")
    modality, recipe = known[chosen]
    outcome = step(modality, chosen, recipe, device)
    on_cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    peak = on_cpu if device.type == "cpu" else torch.cuda.max_memory_allocated() / 2**30
    low, high = outcome.moved
    print(
        f"{chosen}: loss {outcome.loss:.4f}, scales moved by {low:.1e} to {high:.1e}, {outcome.trainable / 1e6:.1f} M trainable, "
        f"built in {outcome.build_seconds:.1f} s, step {outcome.step_seconds:.1f} s, peak memory {peak:.1f} GiB",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

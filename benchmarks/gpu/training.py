"""Is training right on this device? Fine-tuning of each modality, equal runs, and the merge."""

import hashlib
import math

import torch

from benchmarks.measuring.fixtures import INPUTS, SMALL, Setup, model_of, recipe_of, samples_of, spec_of, trainer_of
from benchmarks.measuring.parts import Row, must
from m2pt import pathway
from m2pt.config import Modality
from m2pt.training.precision import Precision, autocast

BATCH = 16
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
LIKE_CPU = 5
"""Steps that are compared with those on the CPU."""


def fine_tunes(setup: Setup) -> list[Row]:
    """Every modality, in both precisions: 50 steps, twice; in fp32 the first losses are those of the CPU."""
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    rows = []
    for modality in INPUTS:
        for precision in PRECISIONS:
            rows += _fine_tune(modality, precision, setup)
    return rows


def _fine_tune(modality: Modality, precision: Precision, setup: Setup) -> list[Row]:
    steps = 6 if setup.tiny else 50
    losses, state = _run(modality, precision, steps, setup)
    again, same = _run(modality, precision, steps, setup)
    start, end = sum(losses[:3]) / 3, sum(losses[-3:]) / 3
    name = f"{modality}, {precision}"
    learns = all(map(math.isfinite, losses)) and (end < start or setup.tiny)
    rows = [
        must(f"{name}: {steps} steps learn", learns, f"loss {start:.3f} to {end:.3f}"),
        must(f"{name}: two runs are equal, bit for bit", losses == again and state == same),
    ]
    if precision == "fp32":
        plain, _ = _run(modality, precision, LIKE_CPU, Setup(torch.device("cpu"), setup.tiny), total=steps)
        apart = max(abs(one - other) / other for one, other in zip(losses, plain, strict=False))
        rows.append(must(f"{name}: the first {LIKE_CPU} losses are those of the CPU, within 0.1 %", apart < 1e-3, f"{apart:.1e}"))
    return rows


def _run(modality: Modality, precision: Precision, steps: int, setup: Setup, total: int | None = None) -> tuple[list[float], str]:
    """The losses of the steps of a run with a pathway, and a digest of its weights."""
    total = total or steps
    spec = spec_of(modality, INPUTS[modality], SMALL, recipe_of(precision, BATCH), joined=True)
    trainer = trainer_of(spec, "trainable", samples_of(spec.input, total * BATCH, seed=0), setup)
    losses, before = [], 0.0
    for step in trainer.epoch():
        trainer.settle()
        now = trainer.progress.loss
        losses.append((now - before) / BATCH)
        before = now
        if step == steps:
            break
    digest = hashlib.sha256()
    for name, value in trainer.model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return losses, digest.hexdigest()


def merges(setup: Setup) -> list[Row]:
    """A merged model is a plain one with the same outputs."""
    spec = spec_of("image", setup.image, setup.model, recipe_of("fp32", 4), joined=True)
    x = samples_of(spec.input, 8, seed=1).x.to(setup.device)
    model = model_of(spec, "trainable").to(setup.device).eval()
    plain = model_of(spec, "plain")
    rows = []
    with torch.no_grad():
        before = {name: _logits(model, x, name, setup) for name in PRECISIONS}
        pathway.merge(model)
        for name, values in before.items():
            after = _logits(model, x, name, setup)
            apart = float((after - values).norm() / values.norm())
            limit = 1e-5 if name == "fp32" else 1e-2
            rows.append(must(f"merged model, {name}: the same logits within {limit:g}", apart < limit, f"{apart:.1e}"))
    counts = [sum(weight.numel() for weight in one.parameters()) for one in (model, plain)]
    rows.append(must("merged model: as many parameters as the plain one", counts[0] == counts[1], f"{counts[0]:,}"))
    return rows


def _logits(model: torch.nn.Module, x: torch.Tensor, precision: Precision, setup: Setup) -> torch.Tensor:
    with autocast(precision, setup.device):
        logits: torch.Tensor = model(x)
    return logits.float()

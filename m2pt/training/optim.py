"""What is trained, how fast and with which decay: parameter groups as plain functions over names, and the schedule."""

from collections.abc import Iterable
from typing import Any

import torch
from timm.optim.lars import Lars
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler
from timm.scheduler.scheduler import Scheduler
from torch import nn

from m2pt import pathway
from m2pt.config import FinetuneConfig, OptimizerConfig, PathwayConfig, Tuning
from m2pt.model import Model

SCALE_RATE_BESIDE_LARS = 1e-3
"""The peak learning rate of the scales, before their own multiple, where everything else is trained by LARS."""

UNDECAYED = ("class_token", "class_position", "positions")
"""Tokenizer parameters that are no weights of a layer: MAE, AudioMAE and Point-MAE do not decay them."""


def freeze_for(tuning: Tuning, model: Model) -> None:
    """For `fix`, leave only the scales and the head trainable; for `full`, leave everything as the method set it up."""
    if tuning == "fix":
        scales = {id(scale) for scale in pathway.scales(model).values()}
        head = {id(parameter) for parameter in model.head.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.requires_grad and (id(parameter) in scales or id(parameter) in head))


def parameter_groups(
    model: nn.Module, weight_decay: float, scale_lr_multiple: float = 1.0, layer_decay: float = 1.0
) -> list[dict[str, object]]:
    """Groups of the trainable parameters, with `lr_scale` as timm's schedulers read it.

    Decayed: weights of two or more dimensions. Not decayed: biases, norms, class tokens and positions, scales (of any shape),
    and auxiliary weights, which get no gradient while their scale is 0 and would only shrink. The scales have their own learning
    rate, the same in every block: `layer_decay` (BEiT, arXiv 2106.08254) would slow those of the first blocks to a few percent.
    """
    scales: set[int] = set()
    auxiliaries: set[int] = set()
    depth = 0
    if isinstance(model, Model):
        scales = {id(scale) for scale in pathway.scales(model).values()}
        auxiliaries = {id(weight) for weight in pathway.auxiliary_weights(model).values()}
        depth = len(model.blocks)
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in scales:
            key = (0.0, scale_lr_multiple, False)
        else:
            plain = parameter.ndim <= 1 or id(parameter) in auxiliaries or name.rpartition(".")[2] in UNDECAYED
            key = (0.0 if plain else weight_decay, layer_decay ** (depth + 1 - _layer(name, depth)), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": members, "weight_decay": decay, "lr_scale": rate, "is_matrix": matrix}
        for (decay, rate, matrix), members in groups.items()
    ]


def _layer(name: str, depth: int) -> int:
    """How deep a parameter lies: 0 the tokenizer, 1 the first block, ..., depth + 1 what follows the blocks."""
    match name.split("."):
        case ["tokenizer", *_]:
            return 0
        case ["blocks", index, *_]:
            return int(index) + 1
        case _:
            return depth + 1


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, num_steps: int, pathway_config: PathwayConfig | None = None
) -> tuple[torch.optim.Optimizer, Scheduler]:
    """The optimizer of a recipe, and a schedule by step: linear warm-up, then cosine or linear to the last rate.

    The decay begins at the peak where the warm-up ends, and ends after `num_steps`, as in MAE.
    """
    multiple = pathway_config.scale_lr_multiple if pathway_config else 1.0
    rate, warmup, last, layer_decay = config.learning_rate, config.warmup_steps, 0.0, 1.0
    lars, linear = False, False
    if isinstance(config, FinetuneConfig):
        rate *= config.batch_size / config.learning_rate_per if config.learning_rate_per else 1.0
        warmup = warmup if config.warmup_epochs is None else round(config.warmup_epochs * num_steps / config.epochs)
        last, layer_decay, lars = config.final_learning_rate, config.layer_decay, config.optimizer == "lars"
        linear = config.decay == "linear"
    if lars:
        # Rates of LARS presume its trust ratio, which a single number has none of: a scale's rate is that of AdamW's recipes.
        multiple *= SCALE_RATE_BESIDE_LARS / rate
    groups = parameter_groups(model, config.weight_decay, multiple, layer_decay)
    optimizer = _lars(groups, rate) if lars else _adamw(groups, rate)
    warmup = min(warmup, num_steps - 1)
    form: dict[str, Any] = {"t_initial": num_steps - warmup, "lr_min": last, "warmup_t": warmup, "warmup_prefix": True}
    form["t_in_epochs"] = False
    schedule = PolyLRScheduler(optimizer, power=1.0, **form) if linear else CosineLRScheduler(optimizer, **form)
    return optimizer, schedule


def rates(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, float]:
    """The learning rates of the last step by their names in a history.

    `learning_rate` is the schedule's, before layer decay and any multiple: what the head learns at. `scale_learning_rate` is the
    scales' own, where they are trained (`scale_learning_rate/<scale>` for each where they differ).
    """
    # Where a group has no multiple of its own, its rate is the schedule's to the last bit.
    plain = min(optimizer.param_groups, key=lambda group: abs(float(group["lr_scale"]) - 1.0))
    found = {"learning_rate": float(plain["lr"] / plain["lr_scale"])}
    if not isinstance(model, Model):
        return found
    of_parameter = {id(parameter): float(group["lr"]) for group in optimizer.param_groups for parameter in group["params"]}
    scales = pathway.scales(model).items()
    of_scale = {name: of_parameter[id(scale)] for name, scale in scales if id(scale) in of_parameter}
    match sorted(set(of_scale.values())):
        case []:
            return found
        case [rate]:
            return found | {"scale_learning_rate": rate}
        case _:
            return found | {f"scale_learning_rate/{name}": rate for name, rate in of_scale.items()}


def _adamw(groups: list[dict[str, object]], rate: float) -> torch.optim.Optimizer:
    kept = [{key: value for key, value in group.items() if key != "is_matrix"} for group in groups]
    return torch.optim.AdamW(kept, lr=rate, betas=(0.9, 0.999), fused=True)


def _lars(groups: list[dict[str, object]], rate: float) -> torch.optim.Optimizer:
    """LARS as in MAE's linear probing: the trust ratio holds for matrices, also without weight decay, and for nothing else."""
    kept = [{**{k: v for k, v in group.items() if k != "is_matrix"}, "always_adapt": group["is_matrix"]} for group in groups]
    optimizer: torch.optim.Optimizer = Lars(kept, lr=rate, momentum=0.9, weight_decay=0.0, trust_coeff=0.001)
    return optimizer


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float | None) -> None:
    """Clip the total gradient norm, where a limit is set."""
    if norm is not None:
        nn.utils.clip_grad_norm_(parameters, norm)

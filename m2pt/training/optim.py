"""What is trained, how fast and with which decay: parameter groups as plain functions over names, and the schedule."""

from collections.abc import Iterable

import torch
from timm.optim.lars import Lars
from torch import nn

from m2pt import pathway
from m2pt.config import FinetuneConfig, OptimizerConfig, PathwayConfig, Tuning, refuses_unknown
from m2pt.models.model import Model
from m2pt.training.schedule import Schedule

SCALE_RATE_BESIDE_LARS = 1e-3
"""The peak learning rate of the scales, before their own multiple, where everything else is trained by LARS."""

TOKENS = ("class_token", "class_position", "positions")
"""Tokenizer parameters that are no weights of a layer; `FinetuneConfig.undecayed` says which of them weight decay spares."""


@refuses_unknown
def freeze_for(tuning: Tuning, model: Model) -> None:
    """For `fix`, leave only the scales and the head trainable; for `full`, leave everything as the method set it up."""
    if tuning == "fix":
        scales = {id(scale) for scale in pathway.scales(model).values()}
        head = {id(parameter) for parameter in model.head.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.requires_grad and (id(parameter) in scales or id(parameter) in head))


def parameter_groups(
    model: nn.Module, recipe: OptimizerConfig, pathway_config: PathwayConfig | None = None
) -> list[dict[str, object]]:
    """Groups of the trainable parameters, with `lr_scale` as the schedule reads it.

    Decayed: weights of two or more dimensions. Not decayed: biases, norms, the tokenizer's parameters that the recipe names,
    scales (of any shape), and auxiliary weights unless the pathway's section says so. The scales have their own learning rate,
    the same in every block unless that section lets layer decay (BEiT, arXiv 2106.08254) slow them.
    """
    joined = pathway_config or PathwayConfig()
    layer_decay, undecayed = (recipe.layer_decay, recipe.undecayed) if isinstance(recipe, FinetuneConfig) else (1.0, TOKENS)
    scales: set[int] = set()
    spared: set[int] = set()
    depth = 0
    if isinstance(model, Model):
        scales = {id(scale) for scale in pathway.scales(model).values()}
        depth = len(model.blocks)
        if not joined.auxiliary_decay:
            spared = {id(weight) for weight in pathway.auxiliary_weights(model).values()}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = layer_decay ** (depth + 1 - _layer(name, depth))
        if id(parameter) in scales:
            key = (0.0, joined.scale_lr_multiple * (rate if joined.scale_layer_decay else 1.0), False)
        else:
            plain = parameter.ndim <= 1 or id(parameter) in spared
            place = name.rpartition(".")[2]
            if place in TOKENS:  # vectors here, of shape (1, 1, D) in the releases: their names tell
                plain = place in undecayed
            key = (0.0 if plain else recipe.weight_decay, rate, parameter.ndim > 1)
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
) -> tuple[torch.optim.Optimizer, Schedule]:
    """The optimizer of a recipe, and its schedule over `num_steps`."""
    schedule = _schedule(config, num_steps)
    lars = isinstance(config, FinetuneConfig) and config.optimizer == "lars"
    if lars and pathway_config:
        # Rates of LARS presume its trust ratio, which a single number has none of: a scale's rate is that of AdamW's recipes.
        multiple = pathway_config.scale_lr_multiple * SCALE_RATE_BESIDE_LARS / schedule.peak
        pathway_config = pathway_config.model_copy(update={"scale_lr_multiple": multiple})
    groups = parameter_groups(model, config, pathway_config)
    return (_lars if lars else _adamw)(groups, schedule.peak), schedule


def _schedule(config: OptimizerConfig, num_steps: int) -> Schedule:
    if not isinstance(config, FinetuneConfig):
        return Schedule(config.learning_rate, num_steps, min(config.warmup_steps, num_steps - 1))
    peak = config.learning_rate * (config.batch_size / config.learning_rate_per if config.learning_rate_per else 1.0)
    length, warmup, unit = num_steps, float(config.warmup_steps), None
    if config.schedule_by == "epoch":
        length, warmup, unit = (
            config.epochs - config.schedule_tail,
            config.warmup_epochs or 0.0,
            max(num_steps // config.epochs, 1),
        )
    elif config.warmup_epochs is not None:
        warmup = round(config.warmup_epochs * num_steps / config.epochs)
    return Schedule(peak, length, min(warmup, length - 1), config.warmup_start, config.final_learning_rate, config.decay, unit)


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

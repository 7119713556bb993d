"""What is trained, how fast and with which decay: parameter groups as plain functions over names, and the schedule."""

from collections.abc import Iterable

import torch
from timm.scheduler.cosine_lr import CosineLRScheduler
from torch import nn

from m2pt import pathway
from m2pt.config import OptimizerConfig, Tuning
from m2pt.model import Classifier


def freeze_for(tuning: Tuning, model: Classifier) -> None:
    """For `fix`, leave only the scales and the head trainable; for `full`, leave everything as the method set it up."""
    if tuning == "fix":
        scales = {id(scale) for scale in pathway.scales(model).values()}
        head = {id(parameter) for parameter in model.head.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.requires_grad and (id(parameter) in scales or id(parameter) in head))


def parameter_groups(model: nn.Module, weight_decay: float, scale_lr_multiple: float = 1.0) -> list[dict[str, object]]:
    """Groups of the trainable parameters for AdamW, with `lr_scale` as timm's schedulers read it.

    Decayed: weights of two or more dimensions. Not decayed: biases, norms, scales (of any shape), and auxiliary weights, which
    get no gradient while their scale is 0 and would only shrink. The scales have their own learning rate.
    """
    scales: dict[int, nn.Parameter] = {}
    auxiliaries: dict[int, nn.Parameter] = {}
    if isinstance(model, Classifier):
        scales = {id(scale): scale for scale in pathway.scales(model).values() if scale.requires_grad}
        auxiliaries = {id(weight): weight for weight in pathway.auxiliary_weights(model).values() if weight.requires_grad}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in scales and id(p) not in auxiliaries]
    groups: list[dict[str, object]] = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": [p for p in others if p.ndim <= 1] + list(auxiliaries.values()), "weight_decay": 0.0, "lr_scale": 1.0},
        {"params": list(scales.values()), "weight_decay": 0.0, "lr_scale": scale_lr_multiple},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, num_steps: int, scale_lr_multiple: float = 1.0
) -> tuple[torch.optim.AdamW, CosineLRScheduler]:
    """AdamW, and a schedule by step: linear warm-up, then cosine to zero at `num_steps`."""
    groups = parameter_groups(model, config.weight_decay, scale_lr_multiple)
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.999), fused=True)
    warmup = min(config.warmup_steps, num_steps - 1)
    schedule = CosineLRScheduler(
        optimizer, t_initial=num_steps, warmup_t=warmup, warmup_lr_init=0.0, warmup_prefix=False, t_in_epochs=False
    )
    return optimizer, schedule


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float | None) -> None:
    """Clip the total gradient norm, where a limit is set."""
    if norm is not None:
        nn.utils.clip_grad_norm_(parameters, norm)

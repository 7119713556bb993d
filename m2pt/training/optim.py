"""What is trained, how fast and with what weight decay: parameter groups by the names of parameters, and the optimizer."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from timm.optim.lars import Lars
from torch import nn

from m2pt import pathway
from m2pt.config import FinetuneConfig, OptimizerConfig, PathwayConfig, Tuning, refuses_unknown
from m2pt.joining.projected import projections
from m2pt.models.model import Model
from m2pt.training.schedule import Schedule

SCALE_RATE_BESIDE_LARS = 1e-3
"""The peak learning rate of the scales, before their own multiple, if everything else is trained by LARS."""

TOKENS = ("class_token", "class_position", "positions")
"""Tokenizer parameters that are not weights of a layer; `FinetuneConfig.undecayed` says which of them weight decay spares."""


@refuses_unknown
def freeze_for(tuning: Tuning, model: Model) -> None:
    """For `fix`, leave only the scales and the head trainable; for `full`, leave everything as the method set it up."""
    if tuning == "fix":
        scales = {id(scale) for scale in pathway.scales(model).values()}
        head = {id(parameter) for parameter in model.head.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.requires_grad and (id(parameter) in scales or id(parameter) in head))


@dataclass(frozen=True)
class _Treatment:
    """How an optimizer treats a parameter, and all others in its group. `lr_scale` multiplies the learning rate."""

    weight_decay: float
    lr_scale: float
    is_matrix: bool


class _Rules:
    """The treatment of each parameter of a model by a recipe and the section `pathway`."""

    def __init__(self, model: nn.Module, recipe: OptimizerConfig, joined: PathwayConfig) -> None:
        self._joined, self._weight_decay = joined, recipe.weight_decay
        self._layer_decay = recipe.layer_decay if isinstance(recipe, FinetuneConfig) else 1.0
        self._undecayed: tuple[str, ...] = recipe.undecayed if isinstance(recipe, FinetuneConfig) else TOKENS
        self._depth = 0
        self._scales: set[int] = set()
        self._spared: set[int] = set()
        self._projections: set[int] = set()
        if isinstance(model, Model):
            self._depth = len(model.blocks)
            self._scales = {id(scale) for scale in pathway.scales(model).values()}
            self._projections = {id(matrix) for matrix in projections(model)}
            if not joined.auxiliary_decay:
                self._spared = {id(weight) for weight in pathway.auxiliary_weights(model).values()}

    def of(self, name: str, parameter: nn.Parameter) -> _Treatment:
        """The treatment of one parameter."""
        rate = self._layer_decay ** (self._depth + 1 - _layer(name, self._depth))
        if id(parameter) in self._scales:
            return _Treatment(0.0, self._joined.scale_lr_multiple * (rate if self._joined.scale_layer_decay else 1.0), False)
        if id(parameter) in self._projections:  # every block shares them, so no depth can slow them
            return _Treatment(self._weight_decay if self._joined.auxiliary_decay else 0.0, 1.0, True)
        decay = 0.0 if self._is_spared(name, parameter) else self._weight_decay
        return _Treatment(decay, rate, parameter.ndim > 1)

    def _is_spared(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether a parameter has no weight decay."""
        last = name.rpartition(".")[2]
        if last in TOKENS:  # vectors here, but of shape (1, 1, D) in the releases, which decide by name
            return last in self._undecayed
        return parameter.ndim <= 1 or id(parameter) in self._spared


def parameter_groups(
    model: nn.Module, recipe: OptimizerConfig, pathway_config: PathwayConfig | None = None
) -> list[dict[str, object]]:
    """Groups of the trainable parameters, with `lr_scale` as the schedule reads it.

    Weights with two or more dimensions decay. Biases, norms, the tokenizer's parameters that the recipe names, scales (of any
    shape), and auxiliary weights with their projections (unless the section `pathway` says otherwise) do not. Scales have a
    learning rate of their own, the same in every block unless that section lets layer decay (BEiT, arXiv 2106.08254) slow them.
    """
    rules = _Rules(model, recipe, pathway_config or PathwayConfig())
    groups: dict[_Treatment, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(rules.of(name, parameter), []).append(parameter)
    return [{"params": members, **asdict(treatment)} for treatment, members in groups.items()]


def _layer(name: str, depth: int) -> int:
    """The depth of a parameter: 0 for the tokenizer, 1 for the first block, ..., depth + 1 for what follows the blocks."""
    match name.removeprefix("companion.").split("."):  # a companion's parts are as deep as the target's
        case ["tokenizer", *_]:
            return 0
        case ["blocks" | "own", index, *_]:
            return int(index) + 1
        case _:
            return depth + 1


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, num_steps: int, pathway_config: PathwayConfig | None = None
) -> tuple[torch.optim.Optimizer, Schedule]:
    """The optimizer of a recipe, and its schedule over `num_steps`."""
    schedule = _schedule(config, num_steps)
    if not isinstance(config, FinetuneConfig) or config.optimizer == "adamw":
        return _adamw(parameter_groups(model, config, pathway_config), schedule.peak), schedule
    if pathway_config is not None:
        pathway_config = _beside_lars(pathway_config, schedule.peak)
    return _lars(parameter_groups(model, config, pathway_config), schedule.peak), schedule


def _beside_lars(config: PathwayConfig, peak: float) -> PathwayConfig:
    """Let the scales learn as fast as with AdamW: LARS's rates presume its trust ratio, which a single number does not have."""
    return config.model_copy(update={"scale_lr_multiple": config.scale_lr_multiple * SCALE_RATE_BESIDE_LARS / peak})


def _schedule(config: OptimizerConfig, num_steps: int) -> Schedule:
    """The schedule of a recipe, by steps or by epochs."""
    if not isinstance(config, FinetuneConfig):
        return Schedule(config.learning_rate, num_steps, min(config.warmup_steps, num_steps - 1))
    batches = config.batch_size / config.learning_rate_per if config.learning_rate_per else 1.0
    if config.schedule_by == "epoch":
        length, warmup = config.epochs - config.schedule_tail, config.warmup_epochs or 0.0
        steps_per_epoch = max(num_steps // config.epochs, 1)
    else:
        length, steps_per_epoch = num_steps, None
        in_epochs = config.warmup_epochs
        warmup = float(config.warmup_steps) if in_epochs is None else round(in_epochs * num_steps / config.epochs)
    return Schedule(
        peak=config.learning_rate * batches,
        length=length,
        warmup=min(warmup, length - 1),
        start=config.warmup_start,
        last=config.final_learning_rate,
        decay=config.decay,
        steps_per_epoch=steps_per_epoch,
    )


def rates(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, float]:
    """The learning rates of the last step by their names in a history.

    `learning_rate` is the schedule's, before layer decay and any multiple: the one of the head. `scale_learning_rate` is that of
    the scales if they are trained (`scale_learning_rate/<scale>` for each if they differ).
    """
    # In a group without a multiple of its own, the rate is the schedule's to the last bit.
    plain = min(optimizer.param_groups, key=lambda group: abs(float(group["lr_scale"]) - 1.0))
    line = {"learning_rate": float(plain["lr"] / plain["lr_scale"])}
    if not isinstance(model, Model):
        return line
    of_parameter = {id(parameter): float(group["lr"]) for group in optimizer.param_groups for parameter in group["params"]}
    scales = pathway.scales(model).items()
    of_scale = {name: of_parameter[id(scale)] for name, scale in scales if id(scale) in of_parameter}
    match sorted(set(of_scale.values())):
        case []:
            return line
        case [rate]:
            return line | {"scale_learning_rate": rate}
        case _:
            return line | {f"scale_learning_rate/{name}": rate for name, rate in of_scale.items()}


def _adamw(groups: list[dict[str, object]], rate: float) -> torch.optim.Optimizer:
    """AdamW, which ignores `is_matrix`."""
    kept = [{key: value for key, value in group.items() if key != "is_matrix"} for group in groups]
    return torch.optim.AdamW(kept, lr=rate, betas=(0.9, 0.999), fused=True)


def _lars(groups: list[dict[str, object]], rate: float) -> torch.optim.Optimizer:
    """LARS as in MAE's linear probing: the trust ratio is only for matrices, including those without weight decay."""
    kept = [{("always_adapt" if key == "is_matrix" else key): value for key, value in group.items()} for group in groups]
    optimizer: torch.optim.Optimizer = Lars(kept, lr=rate, momentum=0.9, weight_decay=0.0, trust_coeff=0.001)
    return optimizer


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float | None) -> None:
    """Clip the total gradient norm if a limit is set."""
    if norm is not None:
        nn.utils.clip_grad_norm_(parameters, norm)

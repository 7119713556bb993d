"""What a run costs before it is run: parameters, floating-point operations, and a rough estimate of GPU hours.

Operations are counted, not assumed: the model runs with fake tensors, which have shapes but no content, and every matrix product
and convolution of the forward and the backward pass counts as 2 operations per multiply-add. Other operations (norms,
activations, farthest-point sampling, nearest neighbours, augmentation, decoding of files) are not counted.
"""

import copy
import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from m2pt import pathway as joining
from m2pt.config import (
    BlocksConfig,
    Head,
    InputConfig,
    Modality,
    ModelConfig,
    PathwayConfig,
    Tuning,
    refuses_unknown,
)
from m2pt.joining.projected import projection_flops
from m2pt.modalities.dataset import DatasetFacts
from m2pt.modalities.shared.dense import Outputs
from m2pt.models.convolutions import FORMULAS
from m2pt.models.encoder import Encoder
from m2pt.models.families import NOTHING_ADDED
from m2pt.models.model import Model, fold
from m2pt.models.shapes import shapes_only
from m2pt.runs.spec import RunSpec

H100_TFLOPS = 989.0
"""Peak of an NVIDIA H100 SXM in bf16 without sparsity, in 10^12 operations a second, from its data sheet."""

UTILISATION = 0.35
"""The assumed fraction of that peak that training reaches; not measured here."""

_BATCH = 2  # batch norm in training refuses a single sample


@dataclass(frozen=True)
class ModelCosts:
    """Parameters, and floating-point operations.

    `parameters` are those of the merged model, which are also those of the target alone unless its family folds layers then;
    `parameters_in_training` include the
    auxiliary weights and the scales; `trainable_parameters` get gradients. `forward_flops` is one forward pass of one sample,
    `training_flops` its forward and backward pass. `joining_flops` is the sum W + scale * W_aux with its gradients, once per
    step whatever the size of the batch.
    """

    parameters: int
    parameters_in_training: int
    trainable_parameters: int
    forward_flops: int
    training_flops: int
    joining_flops: int


@dataclass(frozen=True)
class RunCosts:
    """The costs of a run on one device: `samples` are seen `epochs` times, `flops` includes validation and test."""

    model: ModelCosts
    samples: int
    epochs: int
    flops: float

    @property
    def gpu_hours(self) -> float:
        """A rough estimate, under the conditions that `assumption` states."""
        return gpu_hours(self.flops)


def assumption() -> str:
    """The sentence that belongs to every printed estimate of hours."""
    return (
        f"GPU hours are a rough estimate: counted operations at {UTILISATION:.0%} of {H100_TFLOPS:g} TFLOP/s, where data loading "
        f"keeps up ({H100_TFLOPS:g} TFLOP/s is the dense bf16 peak of an NVIDIA H100 SXM in its data sheet)."
    )


def gpu_hours(flops: float) -> float:
    """Hours that one device needs for this number of operations: a rough estimate. Several devices divide the hours."""
    return flops / (H100_TFLOPS * 1e12 * UTILISATION) / 3600


def run_costs(spec: RunSpec, facts: DatasetFacts) -> RunCosts:
    """The costs of a fine-tuning run, from its resolved spec and the size of its data set.

    Validation costs a forward pass per sample after every epoch, the test one per view; a complete scene counts as one view.
    """
    recipe = spec.finetune
    model = model_costs(
        spec.modality,
        spec.input,
        spec.model,
        recipe.head,
        facts.classes,
        pathway=spec.pathway,
        tuning=spec.tuning,
        num_categories=facts.categories,
        side_head=recipe.side_loss > 0,
        added=recipe.blocks,
    )
    holdout = spec.task.holdout if spec.task else 0.0
    held_out = round(facts.train * holdout)
    pool = facts.train - held_out
    every = pool if recipe.samples == "all" else min(recipe.samples, pool)
    drawn = (recipe.epoch_samples if recipe.weighted else None) or every
    seen = drawn * recipe.repeats
    steps = -(-drawn // recipe.batch_size)  # a batch has every repeat of its samples
    views = recipe.test.clips * recipe.test.crops * recipe.test.votes
    validation = (facts.val or held_out) * model.forward_flops
    training = seen * model.training_flops + steps * model.joining_flops
    flops = recipe.epochs * (training + validation) + facts.test * views * model.forward_flops
    return RunCosts(model, seen, recipe.epochs, float(flops))


@refuses_unknown
def model_costs(
    modality: Modality,
    input_config: InputConfig,
    config: ModelConfig,
    head: Head,
    num_classes: int,
    *,
    pathway: PathwayConfig | None,
    tuning: Tuning,
    num_categories: int = 0,
    side_head: bool = False,
    added: BlocksConfig = NOTHING_ADDED,
) -> ModelCosts:
    """The costs of one model: without a pathway (None) or with one auxiliary joined to it.

    As in autograd, the backward pass leaves out what is frozen: a linear probe costs a forward pass, while fix tuning with a
    pathway costs nearly as much as full tuning, because the gradient of a scale needs that of its complete weight.
    """
    if pathway is not None:  # equal costs, one measurement
        pathway = pathway.model_copy(update={"order": "normal", "scale_init": 0.0, "scale_lr_multiple": 1.0})
    plan = _Plan(modality, input_config, config, head, num_classes, num_categories, side_head, added)
    return _measured(plan, pathway, tuning)


@dataclass(frozen=True)
class _Plan:
    """What a model is built from."""

    modality: Modality
    input: InputConfig
    model: ModelConfig
    head: Head
    num_classes: int
    num_categories: int
    side_head: bool
    added: BlocksConfig


@functools.lru_cache(maxsize=256)
def _measured(plan: _Plan, pathway: PathwayConfig | None, tuning: Tuning) -> ModelCosts:
    blank = _blank(plan)
    model = copy.deepcopy(blank)
    if pathway is not None:
        joining.attach(
            model,
            copy.deepcopy(model) if pathway.mapping is None else _of_size(pathway.mapping.model, plan.model.depth),
            layers=pathway.layers,
            granularity=pathway.granularity,
            scale_trainable=pathway.scale_trainable,
            auxiliary_trainable=pathway.auxiliary_trainable and tuning == "full",
            projected=pathway.mapping is not None and pathway.mapping.projects_to(plan.model),
        )
    if tuning == "fix":
        _freeze(model)
    # If everything is trained, a joined weight takes part in the same products as a plain one.
    measured = blank if tuning == "full" else model
    forward, both = _flops(measured, plan.input.sample_shape, plan.num_categories)
    return ModelCosts(
        parameters=_count(_folded(plan)),
        parameters_in_training=_count(model),
        trainable_parameters=_count(model, trainable=True),
        forward_flops=forward // _BATCH,
        training_flops=both // _BATCH,
        joining_flops=_joining_flops(model),
    )


def _of_size(config: ModelConfig, depth: int) -> Encoder:
    """An auxiliary of another size, with as many blocks as the target."""
    with shapes_only():
        return Encoder(config.model_copy(update={"depth": depth}))


@functools.lru_cache(maxsize=64)
def _blank(plan: _Plan) -> Model:
    """The model as shapes without content, in training mode."""
    with shapes_only():
        model = Model(
            plan.modality,
            plan.input,
            plan.model,
            plan.num_classes,
            head=plan.head,
            num_categories=plan.num_categories,
            side_head=plan.side_head,
            added=plan.added,
        )
    return model.train()


def _folded(plan: _Plan) -> Model:
    """The model that a run ends with."""
    model = copy.deepcopy(_blank(plan))
    with shapes_only():
        fold(model, plan.model)
    return model


def _freeze(model: Model) -> None:
    """Leave the scales and the head trainable."""
    kept = {id(parameter) for parameter in (*joining.scales(model).values(), *model.head.parameters())}
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.requires_grad and id(parameter) in kept)


@functools.lru_cache(maxsize=64)
def _flops(model: Model, shape: tuple[int, ...], num_categories: int) -> tuple[int, int]:
    """Operations of a forward pass of `_BATCH` samples, and of the forward and the backward pass together.

    Attention is counted as its two products, whichever kernel computes it.
    """
    with FakeTensorMode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
        tensors: dict[str, Tensor] = {
            name: torch.empty(like.shape, dtype=like.dtype, requires_grad=like.requires_grad)
            for name, like in (*model.named_parameters(), *model.named_buffers())
        }
        given = torch.empty(_BATCH, dtype=torch.int64) if num_categories else None
        outputs: Outputs = functional_call(model, tensors, (torch.empty(_BATCH, *shape), given))
        forward = counter.get_total_flops()
        both = outputs if isinstance(outputs, tuple) else (outputs,)
        torch.stack([part.sum() for part in both]).sum().backward()
    return forward, counter.get_total_flops()


def _count(model: Model, *, trainable: bool = False) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trainable)


def _joining_flops(model: Model) -> int:
    """A product and a sum forwards; backwards a product and a sum for the scale, a product for the auxiliary weight."""
    trainable_scales = any(scale.requires_grad for scale in joining.scales(model).values())
    sums = sum(
        weight.numel() * (2 + 2 * trainable_scales + weight.requires_grad) for weight in joining.auxiliary_weights(model).values()
    )
    return sums + projection_flops(model)

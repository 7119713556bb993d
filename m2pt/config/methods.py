"""The names of the methods, and the two sections of a study that only some of them read."""

from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from m2pt.config.base import LAYERS, Frozen, Layer, NonNegativeFloat, Positive, PositiveFloat, repeated
from m2pt.config.entry_points import further
from m2pt.config.model import ModelConfig

_BUILT_IN = tuple(
    sorted(
        module.name
        for module in iter_modules([str(Path(__file__).parents[1] / "methods")])
        if not module.ispkg and not module.name.startswith("_")
    )
)

RETIRED_METHODS = {
    "own_modality": "it mixed two controls; write own_lineage for an auxiliary that goes on from the target's own encoder, or "
    "own_apart for one that was pretrained apart",
}
"""Names of methods that no longer exist, with the reason and what to write instead."""

FURTHER_METHODS = further("m2pt.methods", (*_BUILT_IN, *RETIRED_METHODS))

METHOD_NAMES: tuple[str, ...] = (*_BUILT_IN, *FURTHER_METHODS.plugins)
"""The names of the files in `m2pt/methods/`, each of which is one method, and of those that plugins add; listed, not imported."""


def _still_known(name: object) -> object:
    if isinstance(name, str) and name in RETIRED_METHODS:
        raise ValueError(f"there is no method {name} any more: {RETIRED_METHODS[name]}")
    return name


if TYPE_CHECKING:
    MethodName = str
else:
    MethodName = Annotated[Literal[METHOD_NAMES], BeforeValidator(_still_known)]

CORE_METHODS: tuple[MethodName, ...] = ("baseline", "pathway", "random_auxiliary")
"""What a study compares by default: the claim with its reference and its control, which any encoders allow."""


class MappingConfig(Frozen):
    """How auxiliaries of another size than the target's encoder are joined to it.

    Another width, MLP or number of heads is brought to the target's by projections that are learned (LiGO, arXiv 2303.00980) and
    start as the identity, cut or filled with zeros; equal ones are joined as they are. The merged model is a plain one.
    """

    model: ModelConfig
    """The size of the auxiliaries: typed, or `{from: ENCODER}`."""
    depth: Literal["interpolate", "select"] = "interpolate"
    """Another depth: weights between those of the two nearest blocks, or the nearest block itself."""

    def projects_to(self, target: ModelConfig) -> bool:
        """Whether the auxiliaries differ from a target in more than depth."""
        return self.model.model_copy(update={"depth": target.depth}) != target


AlignmentName = Literal["weights", "activations", "procrustes", "linear"]
"""How the coordinates of one encoder are brought into those of another (`m2pt.alignment`)."""


class PathwayConfig(Frozen):
    """The Multimodal Pathway: `W + scale * W_aux` in the named layers of every block.

    The scales are never decayed. Two defaults differ from the released code. Auxiliary weights get no gradient while their scale
    is 0, so weight decay would only shrink them: they have none. Scales have the same learning rate in every block: `layer_decay`
    would slow those of the first blocks to less than a percent. `auxiliary_decay` and `scale_layer_decay` restore the release.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = LAYERS
    """Linear layers of a block that are joined."""
    granularity: Literal["layer", "block", "head", "channel"] = "layer"
    """One scale per layer (the paper), block, head or output channel."""
    scale_init: float = 0.0
    """Initial value of every scale; at 0 the model starts as the target."""
    scale_trainable: bool = True
    """Train the scales."""
    scale_lr_multiple: PositiveFloat = 30.0
    """Factor on the learning rate of the scales."""
    auxiliary_trainable: bool = True
    """Train the auxiliary weights (the paper), unless the tuning is `fix`."""
    auxiliary_precision: Annotated[Literal["fp32", "bf16"], Field(exclude_if=lambda precision: precision == "fp32")] = "fp32"
    """In which type auxiliary weights are kept that are not trained: `bf16` rounds them once, and takes half the memory."""
    auxiliary_decay: bool = False
    """Apply weight decay to auxiliary weights, as released."""
    scale_layer_decay: bool = False
    """Apply layer decay to the learning rate of the scales, as released."""
    order: Literal["normal", "reversed", "shuffled"] = "normal"
    """Which auxiliary block joins which target block; `reversed` and `shuffled` are controls."""
    alignment: Annotated[AlignmentName, Field(exclude_if=lambda alignment: alignment == "weights")] = "weights"
    """How aligned methods bring the auxiliary into the target's coordinates: permutations by `weights` or by `activations` (Git
    Re-Basin, arXiv 2209.04836), a rotation (`procrustes`) or least-squares maps (`linear`) of the residual stream."""

    mapping: Annotated[MappingConfig | None, Field(exclude_if=lambda mapping: mapping is None)] = None
    """From auxiliaries of another size to the target's encoder; None joins those of the same size."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from repeated(self, "layers")


class RivalsConfig(Frozen):
    """The settings of rival methods."""

    lora_rank: Positive = 8
    """Rank of LoRA (arXiv 2106.09685)."""
    lora_alpha: Positive = 16
    """Alpha of LoRA."""
    adapter_width: Positive = 16
    """Width of the bottleneck of adapters."""
    mix: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the auxiliary in an interpolation of weights, and factor of the task vector in task arithmetic."""
    attention_weight: Annotated[PositiveFloat, Field(exclude_if=lambda weight: weight == 3.0)] = 3.0
    """Weight of the loss of attention maps in attention distillation (arXiv 2411.09702)."""
    matching: Annotated[Literal["weights", "activations"], Field(exclude_if=lambda matching: matching == "weights")] = "weights"
    """How the permutations of Git Re-Basin (arXiv 2209.04836) are found before an interpolation."""
    alignment_steps: Annotated[Positive, Field(exclude_if=lambda steps: steps == 40)] = 40
    """Steps in which ORCA (arXiv 2302.05738) aligns the tokenizer; they are the first of the run's steps."""
    joint_weight: Annotated[NonNegativeFloat, Field(exclude_if=lambda weight: weight == 1.0)] = 1.0
    """Weight of the loss of the auxiliary's modality in joint training."""

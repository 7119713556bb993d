"""The methods by name: which auxiliaries each takes, and what it makes of the pathway's settings."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from m2pt.config.base import LAYERS, Frozen, Layer, Positive, PositiveFloat

MethodName = Literal[
    "baseline", "pathway",
    "random_auxiliary", "shuffled_auxiliary", "reversed_order", "shuffled_order", "own_modality", "target_copy",
    "zero_scale", "fixed_scale", "frozen_auxiliary", "matched_parameters",
    "all_auxiliaries", "two_branch", "frozen_encoder", "adapters", "cross_attention", "lora", "interpolation",
    "task_arithmetic", "auxiliary_start", "shuffled_start",
]  # fmt: skip
METHODS: tuple[MethodName, ...] = get_args(MethodName)
CORE_METHODS: tuple[MethodName, ...] = ("baseline", "pathway", "random_auxiliary", "own_modality")

Takes = Literal["nothing", "each", "random", "own", "all"]
"""Which auxiliaries a method is run with: none; each other modality in turn; fresh random weights; the target's own modality; all
other modalities at once."""

TAKES: dict[MethodName, Takes] = {
    "baseline": "nothing", "pathway": "each",
    "random_auxiliary": "random", "shuffled_auxiliary": "each", "reversed_order": "each", "shuffled_order": "each",
    "own_modality": "own", "target_copy": "nothing",
    "zero_scale": "random", "fixed_scale": "each", "frozen_auxiliary": "each", "matched_parameters": "nothing",
    "all_auxiliaries": "all", "two_branch": "each", "frozen_encoder": "each", "adapters": "each", "cross_attention": "each",
    "lora": "nothing", "interpolation": "each", "task_arithmetic": "each", "auxiliary_start": "each",
    "shuffled_start": "each",
}  # fmt: skip

RIVALS: tuple[MethodName, ...] = ("adapters", "lora", "interpolation", "task_arithmetic")
"""The methods that the section `rivals` says something to."""

FIXED_SCALE = 0.01
"""Table 5 of the paper fixes its scales there."""

JOINED: dict[MethodName, dict[str, object]] = {
    "pathway": {}, "random_auxiliary": {}, "shuffled_auxiliary": {}, "own_modality": {}, "target_copy": {}, "all_auxiliaries": {},
    "two_branch": {},
    "reversed_order": {"order": "reversed"},
    "shuffled_order": {"order": "shuffled"},
    "zero_scale": {"scale_init": 0.0, "scale_trainable": False, "auxiliary_trainable": False},
    "fixed_scale": {"scale_init": FIXED_SCALE, "scale_trainable": False},
    "frozen_auxiliary": {"auxiliary_trainable": False},
    "matched_parameters": {"scale_init": 1.0, "scale_trainable": False, "auxiliary_trainable": True},
}  # fmt: skip
"""The methods that join weights to the target's, with what each of them fixes in the `pathway` section."""


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
    """First value of every scale; at 0 the model starts as the target."""
    scale_trainable: bool = True
    """Train the scales."""
    scale_lr_multiple: PositiveFloat = 30.0
    """Factor on the learning rate of the scales."""
    auxiliary_trainable: bool = True
    """Train the auxiliary weights (the paper), unless the tuning is `fix`."""
    auxiliary_decay: bool = False
    """Apply weight decay to auxiliary weights, as released."""
    scale_layer_decay: bool = False
    """Apply layer decay to the learning rate of the scales, as released."""
    order: Literal["normal", "reversed", "shuffled"] = "normal"
    """Which auxiliary block joins which target block; `reversed` and `shuffled` are controls."""

    @model_validator(mode="after")
    def _distinct_layers(self) -> Self:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layers must not repeat")
        return self


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

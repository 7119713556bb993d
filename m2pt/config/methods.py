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

    `scale_lr_multiple` multiplies the learning rate of the scales, which are never decayed. Two things are as they should be, not
    as they were released: auxiliary weights, which get no gradient while their scale is 0 and would only shrink, are spared by
    weight decay unless `auxiliary_decay`, and scales have the same rate in every block, though `layer_decay` would slow those of
    the first to less than a percent, unless `scale_layer_decay`.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = LAYERS
    granularity: Literal["layer", "block", "head", "channel"] = "layer"
    scale_init: float = 0.0
    scale_trainable: bool = True
    scale_lr_multiple: PositiveFloat = 30.0
    auxiliary_trainable: bool = True
    auxiliary_decay: bool = False
    scale_layer_decay: bool = False
    order: Literal["normal", "reversed", "shuffled"] = "normal"

    @model_validator(mode="after")
    def _distinct_layers(self) -> Self:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layers must not repeat")
        return self


class RivalsConfig(Frozen):
    """What the rival methods need to be told.

    `lora_rank` and `lora_alpha` as in LoRA (arXiv 2106.09685), `adapter_width` is the bottleneck of the adapters, `mix` the share
    of the auxiliary in an interpolation of weights and the factor of a task vector.
    """

    lora_rank: Positive = 8
    lora_alpha: Positive = 16
    adapter_width: Positive = 16
    mix: Annotated[float, Field(gt=0, lt=1)] = 0.1

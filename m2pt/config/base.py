"""What every section of a study is built from: names, numbers with bounds, and the fault that a user can mend."""

from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

Modality = Literal["image", "audio", "point", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

Layer = Literal["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

Setting = Literal["pretrained", "scratch"]
Tuning = Literal["full", "fix"]

RANDOM = "random"  # the encoder source that is always there: a fresh initialisation drawn from the run's seed


class UserError(Exception):
    """A fault the user can mend, told in one sentence: what is wrong, where, and what to do."""


class Frozen(BaseModel):
    """Base of all configuration: immutable, no unknown keys, no silent conversion, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
T = TypeVar("T", bound=Frozen)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_+.-]*$", max_length=60)]


def require_divisible(config: T, *pairs: tuple[str, str]) -> T:
    """The section itself; raises `ValueError` where the first key of a pair is no multiple of the second."""
    for whole, part in pairs:
        if getattr(config, whole) % getattr(config, part):
            message = f"{whole} ({getattr(config, whole)}) must be a multiple of {part} ({getattr(config, part)})"
            raise ValueError(message)
    return config

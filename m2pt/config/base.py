"""The building blocks of the schema: names, numbers with bounds, and the error that a user can correct."""

import functools
import inspect
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

Modality = Literal["image", "audio", "point", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

Goal = Literal["classification", "tagging", "part_segmentation", "semantic_segmentation"]

Layer = Literal["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

Form = Literal["shared", "published"]
"""How a tokenizer encodes positions and pools tokens: `shared` is this project's fixed Fourier code without a class token, the
same for all modalities; `published` is the way of the family whose weights are loaded (MAE, AudioMAE, Point-MAE, VideoMAE)."""

Setting = Literal["pretrained", "scratch"]
Tuning = Literal["full", "fix"]

RANDOM = "random"  # the built-in encoder source: a fresh initialisation drawn from the run's seed


P = ParamSpec("P")
R = TypeVar("R")


class UserError(Exception):
    """An error that the user can correct, as one sentence: what is wrong, where, and what to do."""


def refuses_unknown(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse values that its `Literal` parameters do not list: a misspelt value would otherwise go unnoticed.

    Raises (the decorated function):
        UserError: a value is not listed; the message names the parameter, the value and the choices.

    """
    signature = inspect.signature(function)

    @functools.cache
    def literals() -> dict[str, tuple[tuple[object, ...], bool]]:
        """For each parameter, the listed values and whether values that are not strings are also allowed."""
        hints = get_type_hints(function)
        return {name: known for name in signature.parameters if (known := _literal(hints.get(name)))[0]}

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind_partial(*args, **kwargs).arguments
        for name, (known, open_) in literals().items():
            value = given.get(name, known[0])
            if value not in known and not (open_ and not isinstance(value, str)):
                choices = ", ".join(map(str, known))
                raise UserError(f"{function.__name__}: {name} {value!r} is unknown; use one of {choices}.")
        return function(*args, **kwargs)

    return checked


def _literal(hint: object) -> tuple[tuple[object, ...], bool]:
    if get_origin(hint) is Literal:
        return get_args(hint), False
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    known = tuple(value for member in members if get_origin(member) is Literal for value in get_args(member))
    return known, True


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
    """The section itself; raises `ValueError` if the first key of a pair is not a multiple of the second."""
    for whole, part in pairs:
        if getattr(config, whole) % getattr(config, part):
            message = f"{whole} ({getattr(config, whole)}) must be a multiple of {part} ({getattr(config, part)})"
            raise ValueError(message)
    return config

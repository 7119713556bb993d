"""The building blocks of the schema: names, numbers with bounds, and the error that a user can correct."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Generic,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from m2pt.config.entry_points import further

RANDOM = "random"  # the built-in encoder source: a fresh initialisation drawn from the run's seed

BUILT_IN_MODALITIES = ("image", "audio", "point", "video")
FURTHER_MODALITIES = further("m2pt.modalities", (*BUILT_IN_MODALITIES, RANDOM))

MODALITIES: tuple[str, ...] = (*BUILT_IN_MODALITIES, *FURTHER_MODALITIES.plugins)
"""The modalities: those of m2pt, then those of installed plugins."""

if TYPE_CHECKING:
    Modality = str
else:
    Modality = Literal[MODALITIES]

Goal = Literal["classification", "tagging", "part_segmentation", "semantic_segmentation", "instance_segmentation"]

Layer = Literal["attn.qkv", "attn.proj", "conv_dw", "se", "mlp.fc1", "mlp.fc2"]
LAYERS: tuple[Layer, ...] = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
"""The layers of a transformer's block, which are joined by default; for another family all of its own are."""
ALL_LAYERS: tuple[Layer, ...] = get_args(Layer)

Form = Literal["shared", "published"]
"""How a tokenizer encodes positions and pools tokens: `shared` is this project's fixed Fourier code without a class token, the
same for all modalities; `published` is the way of the family whose weights are loaded (MAE, AudioMAE, Point-MAE, VideoMAE)."""

Setting = Literal["pretrained", "scratch"]
Tuning = Literal["full", "fix"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class UserError(Exception):
    """An error that the user can correct, as one sentence: what is wrong, where, and what to do.

    What it repeats of a file or a name is shown as it is written in a program where a terminal would not show it, or obey it.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


def visible(text: str) -> str:
    """The text with an escape in the place of each character that cannot be seen, but for line ends."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text)


class FaultyKeysError(UserError):
    """Several faults of a study file, each one sentence that begins with its key."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(f"{'; '.join(sentences)}.")
        self.sentences = tuple(sentences)


def refuses_unknown(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse values that its `Literal` parameters do not list: a misspelt value would otherwise go unnoticed.

    Raises (the decorated function):
        UserError: a value is not listed; the message names the parameter, the value and the choices.

    """
    signature = inspect.signature(function)

    @functools.cache
    def literals() -> tuple[tuple[int, str, tuple[object, ...], bool], ...]:
        """Place, name and listed values of each such parameter, and whether values that are not strings are also allowed."""
        # What it returns is not looked at: its type may be known to type checkers alone.
        declared = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        hints = get_type_hints(SimpleNamespace(__annotations__=declared), inspect.unwrap(function).__globals__)
        named = ((place, name, *_literal(hints.get(name))) for place, name in enumerate(signature.parameters))
        return tuple(each for each in named if each[2])

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for place, name, known, open_ in literals():
            value = args[place] if place < len(args) else kwargs.get(name, known[0])
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


class Same(Generic[T]):
    """A frozen object as the key of what is remembered about it: equal to itself alone.

    Its own equality would not do: 0.0 equals -0.0 and 1, which are written differently.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value


class SameAll:
    """Several objects as one key, as `Same` is for one."""

    __slots__ = ("_ids", "values")

    def __init__(self, values: tuple[object, ...]) -> None:
        self.values = values  # they live as long as the key, so that no other object gets one of these addresses
        self._ids = tuple(map(id, values))

    def __hash__(self) -> int:
        return hash(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameAll) and self._ids == other._ids


class FaultsError(ValueError):
    """What is wrong with the values of a section together, one sentence for each fault."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)


UNCHECKED = {"unchecked": True}
"""Given to a validation as its context, it leaves what is wrong with values together for later."""


class Frozen(BaseModel):
    """Base of all configuration: immutable, no unknown keys, no silent conversion, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def contradictions(self, context: object) -> Iterator[str]:
        """What is wrong with values that are possible one by one, each as `KEY: what is wrong`; all of them are told at once.

        `context` is what the validation was given.
        """
        del context
        return iter(())

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        if type(self).contradictions is Frozen.contradictions or info.context == UNCHECKED:
            return self
        if wrong := dict.fromkeys(self.contradictions(info.context)):
            raise FaultsError(list(wrong))
        return self


def _small_enough(seed: int) -> int:
    """A seed that fits the whole numbers of tables, which have 64 bits with the sign."""
    if seed >= 2**63:
        raise ValueError(f"must be below 2**63 (got {seed}); choose a smaller seed")
    return seed


Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Seed = Annotated[
    NonNegative,
    AfterValidator(_small_enough),
    WithJsonSchema({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**63}),
]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_+.-]*$", max_length=60)]


def not_divisible(config: Frozen, *pairs: tuple[str, str]) -> Iterator[str]:
    """A sentence for each pair of keys of which the first is not a multiple of the second."""
    for whole, part in pairs:
        if getattr(config, whole) % getattr(config, part):
            yield f"{whole}: {getattr(config, whole)} must be a multiple of {part} ({getattr(config, part)})"


REPEATED = "must not repeat a value"
"""In each sentence of `repeated`."""


def repeated(config: Frozen, *keys: str) -> Iterator[str]:
    """A sentence for each list that has a value twice."""
    for key in keys:
        values = getattr(config, key)
        if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
            yield f"{key}: {REPEATED} ({twice[0]} is there {_times(values.count(twice[0]))})"


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"

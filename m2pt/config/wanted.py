"""What a key of a document takes, in words: its declared type and bounds, as in `a whole number above 0`."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Form:
    """A declared type with its bounds: `kind` is bare, never `Annotated` and never optional."""

    kind: Any
    limits: tuple[Any, ...] = ()
    tag: str | None = None
    """The key that tells the members of a union apart, if one does."""

    @property
    def members(self) -> "tuple[Form, ...]":
        """The alternatives of a union; nothing for another type."""
        return tuple(form_of(member) for member in _given(self.kind)) if _is_union(self.kind) else ()

    @property
    def is_model(self) -> bool:
        """Whether this is a section with keys of its own."""
        return isinstance(self.kind, type) and issubclass(self.kind, BaseModel)

    def member_of(self, tag: str) -> "Form | None":
        """The alternative with this value of the key that tells them apart."""
        return next((member for member in self.members if self.tag and tag in _tags(member, self.tag)), None)

    @property
    def tags(self) -> tuple[str, ...]:
        """The values of that key."""
        return tuple(tag for member in self.members for tag in _tags(member, self.tag or ""))


def form_of(hint: Any, limits: tuple[Any, ...] = ()) -> Form:
    """The form of a type hint; None among its alternatives is left out, because a key may always be left out instead."""
    limits = tuple(_flat(limits))
    if get_origin(hint) is Annotated:
        return form_of(get_args(hint)[0], (*get_args(hint)[1:], *limits))
    if isinstance(hint, type) and issubclass(hint, RootModel):
        root = hint.model_fields["root"]
        return form_of(root.annotation, (root, *limits))
    if _is_union(hint) and len(_given(hint)) == 1:
        return form_of(_given(hint)[0], limits)
    tag = next((limit.discriminator for limit in limits if isinstance(limit, FieldInfo) and limit.discriminator), None)
    return Form(hint, limits, tag if isinstance(tag, str) else None)


def fields_of(form: Form) -> Mapping[str, Form]:
    """The keys of a section by the names that a file gives them, each with its form."""
    return _fields_of(form.kind)


@functools.cache
def _fields_of(section: type[BaseModel]) -> Mapping[str, Form]:
    return {field.alias or name: form_of(field.annotation, (field,)) for name, field in section.model_fields.items()}


def choices(form: Form) -> tuple[str, ...]:
    """The texts that are listed as values, also beside other types."""
    listed = get_args(form.kind) if get_origin(form.kind) is Literal else ()
    return (*map(str, listed), *(choice for member in form.members for choice in choices(member)))


def words(form: Form) -> str:
    """What a value must be."""
    return _words(form, many=False)


def _words(form: Form, many: bool) -> str:
    kind, origin = form.kind, get_origin(form.kind)
    if form.members:
        each = dict.fromkeys(_words(member, many) for member in form.members)
        sections = form.tag or all(member.is_model for member in form.members)
        return _sections(many) if sections else ", or ".join(each)
    if origin is Literal:
        listed = " or ".join(filter(None, (", ".join(map(str, get_args(kind)[:-1])), str(get_args(kind)[-1]))))
        return listed if len(get_args(kind)) < 3 else f"one of {listed}"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return _number(form, many)
    if kind is str:
        return _text(form, many)
    if origin is tuple:
        return _list(form, many)
    if form.is_model or origin is dict:
        least = next((limit.min_length for limit in form.limits if isinstance(limit, annotated_types.MinLen)), 0)
        return f"a section with {least} or more keys" if least else _sections(many)
    return "values" if many else "a value"


def _sections(many: bool) -> str:
    return "sections (keys with values)" if many else "a section (keys with values)"


def _number(form: Form, many: bool) -> str:
    limits = [limit for limit in form.limits if isinstance(limit, annotated_types.BaseMetadata)]
    even = any(isinstance(limit, annotated_types.MultipleOf) for limit in limits)
    kind = ("even whole number" if even else "whole number") if form.kind is int else "number"
    noun = f"{kind}s" if many else f"an {kind}" if even else f"a {kind}"
    return noun + _bounds(limits)


def _bounds(limits: list[annotated_types.BaseMetadata]) -> str:
    above = next((f" above {limit.gt}" for limit in limits if isinstance(limit, annotated_types.Gt)), "")
    least = next((f" from {limit.ge}" for limit in limits if isinstance(limit, annotated_types.Ge)), "")
    below = next((f"below {limit.lt}" for limit in limits if isinstance(limit, annotated_types.Lt)), "")
    most = next((f"{limit.le}" for limit in limits if isinstance(limit, annotated_types.Le)), "")
    if least:
        return f"{least} to {below or most}" if below or most else f"{least} on"
    return " and".join(filter(None, (above, f" {below}" if below else f" up to {most}" if most else "")))


def _text(form: Form, many: bool) -> str:
    if not any(getattr(limit, "pattern", None) for limit in form.limits):
        return "texts" if many else "a text"
    most = next((limit.max_length for limit in form.limits if isinstance(limit, annotated_types.MaxLen)), None)
    made = "small letters, digits and _ + . -, the first a letter or a digit"
    length = "" if most is None else f", {most} characters at most"
    return f"{'names' if many else 'a name'} ({made}{length})"


def _list(form: Form, many: bool) -> str:
    items, noun = get_args(form.kind), "lists" if many else "a list"
    each = _words(form_of(items[0]), many=True)
    each = f"values, each {each}" if get_origin(form_of(items[0]).kind) is Literal else each
    if items[-1] is not Ellipsis:
        return f"{noun} of {len(items)} {each}"
    least = next((limit.min_length for limit in form.limits if isinstance(limit, annotated_types.MinLen)), 0)
    most = next((limit.max_length for limit in form.limits if isinstance(limit, annotated_types.MaxLen)), None)
    count = f"{least} to {most} " if most else f"{least} or more " if least else ""
    return f"{noun} of {count}{each}"


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _given(hint: Any) -> tuple[Any, ...]:
    return tuple(member for member in get_args(hint) if member is not NoneType)


def _tags(member: Form, tag: str) -> tuple[str, ...]:
    return get_args(member.kind.model_fields[tag].annotation) if member.is_model and tag in member.kind.model_fields else ()


def _flat(limits: tuple[Any, ...]) -> Iterator[Any]:
    """The bounds, also those that a declared field holds."""
    for limit in limits:
        yield limit
        if isinstance(limit, FieldInfo):
            yield from limit.metadata

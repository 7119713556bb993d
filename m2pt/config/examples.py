"""Values that a key takes, made from its declared type: what a faulty value may have been meant to be."""

from typing import Any, Literal, get_args, get_origin

import annotated_types

from m2pt.config.wanted import Form, fields_of, form_of

_NUMBERS = (1, 3, 4, 64, 0, 2, 97, 0.5)
TURNS = len(_NUMBERS)
"""How many turns are needed to see all examples of a number; further ones are the first again."""


def example(form: Form, turn: int) -> Any:
    """A value of this form, another one in each turn as far as there are several; values of the schema's own types only."""
    if form.members:
        return example(form.members[turn % len(form.members)], turn // len(form.members))
    origin = get_origin(form.kind)
    if origin is Literal:
        return get_args(form.kind)[turn % len(get_args(form.kind))]
    if form.kind is bool:
        return turn % 2 == 0
    if form.kind in (int, float):
        taken = [value for value in _NUMBERS if _is_within(value, form)]
        return taken[turn % len(taken)]
    if form.kind is str:
        return f"x{turn}"
    if origin is tuple:
        return _list(form, turn)
    if origin is dict:
        key, value = get_args(form.kind)
        return {example(form_of(key), turn): example(form_of(value), turn)} if _least(form) else {}
    if form.is_model:
        required = (name for name, field in form.kind.model_fields.items() if field.is_required())
        return {name: example(fields_of(form)[name], turn) for name in required}
    return turn


def is_exhausted(form: Form) -> bool:
    """Whether the examples of all turns are all values that there are: what holds for each of them holds for the one meant."""
    listed = get_args(form.kind) if get_origin(form.kind) is Literal else ()
    return form.kind is bool or 0 < len(listed) <= TURNS


def is_varied(form: Form) -> bool:
    """Whether it is a number, a text or a list of numbers: its examples differ in whatever something else may hang on."""
    return form.kind in (int, float, str) or (
        get_origin(form.kind) is tuple and form_of(get_args(form.kind)[0]).kind in (int, float)
    )


def _list(form: Form, turn: int) -> list[Any]:
    items = get_args(form.kind)
    if items[-1] is not Ellipsis:
        return [example(form_of(item), turn + place) for place, item in enumerate(items)]
    made: list[Any] = []
    for place in range(TURNS):
        value = example(form_of(items[0]), turn + place)
        made += [value] if value not in made else []
    most = next((limit.max_length for limit in form.limits if isinstance(limit, annotated_types.MaxLen)), TURNS)
    return made[: min(max(_least(form), 1) + turn % 3, most)]


def _least(form: Form) -> int:
    return next((limit.min_length for limit in form.limits if isinstance(limit, annotated_types.MinLen)), 0)


def _is_within(value: float, form: Form) -> bool:
    return (form.kind is float or isinstance(value, int)) and all(_keeps(value, limit) for limit in form.limits)


def _keeps(value: Any, limit: object) -> bool:
    match limit:
        case annotated_types.Gt(gt=bound):
            return bool(value > bound)
        case annotated_types.Ge(ge=bound):
            return bool(value >= bound)
        case annotated_types.Lt(lt=bound):
            return bool(value < bound)
        case annotated_types.Le(le=bound):
            return bool(value <= bound)
        case annotated_types.MultipleOf(multiple_of=unit):
            return bool(value % unit == 0)
    return True

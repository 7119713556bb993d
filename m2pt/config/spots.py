"""Where in a document pydantic sees a fault, and what the key takes: pydantic also names the alternatives that were tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args, get_origin

from pydantic import BaseModel

from m2pt.config.wanted import Form, fields_of, form_of


@dataclass(frozen=True)
class Spot:
    """The path of a fault, what is taken there, and the section around it; None where nothing is declared.

    `inside` says that one of several alternatives was entered, and `is_name` that the fault is in the key itself.
    """

    path: tuple[int | str, ...] = ()
    form: Form | None = None
    section: Form | None = None
    inside: bool = False
    is_name: bool = False

    @property
    def key(self) -> str:
        """The dotted key: `section.key`, `list[0]`."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return steps.removeprefix(".")

    def at(self, step: int | str, form: Form | None) -> "Spot":
        """An entry of this section or list."""
        return Spot((*self.path, step), form, self.form, self.inside)


def spot_of(location: Sequence[int | str], model: type[BaseModel], missing: bool = False) -> Spot:
    """Follows pydantic's location of a fault through the declared types of a document; `missing` is for an absent entry."""
    spot = Spot(form=form_of(model))
    rest = list(location)
    if missing and isinstance(rest[-1], int):
        rest.pop()  # a list that is too short lacks no entry of its own
    while rest:
        step, form = rest.pop(0), spot.form
        if form is None:
            spot = spot.at(step, None)
        elif form.members:
            if not rest and not form.tag:
                return spot  # a value that none of several types takes: all of them are named
            chosen = form.member_of(str(step)) if form.tag else _alternative(form, str(step))
            spot = Spot(spot.path, chosen, spot.section, inside=True)
        elif form.is_model:
            spot = spot.at(step, fields_of(form).get(str(step)))
        elif rest[:1] == ["[key]"]:
            return Spot((*spot.path, step), form_of(get_args(form.kind)[0]), form, spot.inside, is_name=True)
        else:
            spot = spot.at(step, _entry(form, step))
    return spot


def _alternative(form: Form, label: str) -> Form | None:
    """The alternative that pydantic names by a label such as `tagged-union[...]` or `tuple[str, ...]`."""
    for member in form.members:
        names = {"tagged-union": member.tag, "tuple": get_origin(member.kind) is tuple, "dict": get_origin(member.kind) is dict}
        if any(label.startswith(name) and fits for name, fits in names.items()):
            return member
        if member.is_model and member.kind.__name__ in label:
            return member
    return None


def _entry(form: Form, step: int | str) -> Form | None:
    """What an entry of a list or of a section with free names takes."""
    items = get_args(form.kind)
    if get_origin(form.kind) is dict:
        return form_of(items[1])
    if get_origin(form.kind) is tuple and isinstance(step, int):
        return form_of(items[0] if items[-1] is Ellipsis else items[step] if step < len(items) else items[-1])
    return None

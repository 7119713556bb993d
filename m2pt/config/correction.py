"""A faulty document as its author may have meant it, so that what else is wrong with it shows in the same look."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from m2pt.config.examples import TURNS, example, is_exhausted, is_varied
from m2pt.config.faults import located
from m2pt.config.spelling import meant
from m2pt.config.spots import Spot
from m2pt.config.wanted import Form, choices, fields_of

Path = tuple[int | str, ...]


@dataclass(frozen=True)
class Guess:
    """A key whose value nobody knows, in a document that has another in its place; `key` is dotted.

    `is_tried` says that what the key may have been meant to be is tried in turn, as far as it can: a number, a text or a short
    list of choices. Whether something else goes with a longer list or a section, its examples do not show.
    """

    path: Path
    key: str
    is_tried: bool


@dataclass(frozen=True)
class Corrected:
    """The document with misspelt keys and values as they were meant, and with examples in place of other faulty values.

    `renamed` has, for the path of each key as it was meant, the name that it has in the file; `respelt` are the paths of the
    values that are now as they were meant.
    """

    document: dict[str, Any]
    guesses: tuple[Guess, ...]
    renamed: dict[Path, str]
    respelt: tuple[Path, ...]


def corrected(document: Mapping[str, Any], error: ValidationError, model: type[BaseModel], turn: int) -> Corrected:
    """The document after the faults of its validation as `model`; each `turn` has other examples."""
    better, guesses, renamed = copy.deepcopy(dict(document)), list[Guess](), dict[Path, str]()
    respelt: list[Path] = []
    for fault, spot in located(error, model):
        name = _renamed(better, spot) if fault["type"] == "extra_forbidden" else None
        if name is not None:
            renamed[*spot.path[:-1], name] = str(spot.path[-1])
        if name is not None or not spot.path:
            continue
        if _respelt(better, spot, fault):
            respelt.append(spot.path)
            continue
        form = None if spot.is_name or fault["type"] == "extra_forbidden" else spot.form
        _replace(better, spot.path, form, turn)
        guesses.append(Guess(spot.path, spot.key, form is not None and (is_exhausted(form) or is_varied(form))))
    return Corrected(better, tuple(guesses), renamed, tuple(respelt))


def _renamed(document: dict[str, Any], spot: Spot) -> str | None:
    """Give an unknown key the name that it is meant to have; returns that name, None if there is none."""
    around = value_at(document, spot.path[:-1])
    if not (isinstance(around, dict) and spot.section is not None and spot.section.is_model):
        return None
    name = meant(str(spot.path[-1]), fields_of(spot.section))
    if name is not None:
        around.setdefault(name, around.pop(spot.path[-1]))
    return name


def _respelt(document: dict[str, Any], spot: Spot, fault: ErrorDetails) -> bool:
    """Replace a text by what it is meant to be; returns whether there is something."""
    around, value = value_at(document, spot.path[:-1]), value_at(document, spot.path)
    if fault["type"] == "union_tag_invalid" and spot.form is not None and isinstance(value, dict):
        union = next(form for form in (spot.form, *spot.form.members) if form.tag)
        return _put_meant(value, str(union.tag), union.tags)
    if fault["type"] in ("value_error", "extra_forbidden") or spot.is_name or spot.form is None:
        return False
    return isinstance(around, dict | list) and _put_meant(around, spot.path[-1], choices(spot.form))


def _put_meant(around: Any, step: int | str, known: tuple[str, ...]) -> bool:
    value = value_at(around, (step,))
    text = meant(value, known) if isinstance(value, str) else None
    if text is not None:
        around[step] = text
    return text is not None


def _replace(document: dict[str, Any], path: Path, form: Form | None, turn: int) -> None:
    """Put an example in place of a value, or remove a key that takes none."""
    around, last = value_at(document, path[:-1]), path[-1]
    if form is None and isinstance(around, dict):
        around.pop(last, None)
    elif form is not None and isinstance(around, dict):
        around[last] = example(form, turn)
    elif form is not None and isinstance(around, list) and isinstance(last, int) and last < len(around):
        examples = [example(form, each) for each in range(turn, turn + TURNS)]
        around[last] = next((each for each in examples if each not in around), examples[0])


def value_at(value: Any, path: Path) -> Any:
    """The value at a path of a document; None if there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value

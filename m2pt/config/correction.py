"""A faulty document as its author probably meant it, so that what else is wrong with it shows in the same look."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from m2pt.config.faults import located
from m2pt.config.spelling import meant
from m2pt.config.spots import Spot
from m2pt.config.wanted import choices, fields_of


@dataclass(frozen=True)
class Corrected:
    """The document with misspelt keys and values as they were meant, and without other faulty ones.

    `guessed` are the sections that lost a value: what they say now is not what their author wrote.
    """

    document: Mapping[str, Any]
    guessed: frozenset[str]


def corrected(document: Mapping[str, Any], error: ValidationError, model: type[BaseModel]) -> Corrected:
    """The document after the faults of its validation as `model`; contradictions between its sections stay."""
    better, guessed = copy.deepcopy(dict(document)), set()
    for fault, spot in located(error, model):
        if not spot.path:  # a contradiction between sections: there is no key that could be left out
            continue
        if not _respelt(better, spot, unknown=fault["type"] == "extra_forbidden"):
            guessed.add(str(spot.path[0]))
            _without(better, spot.path)
    return Corrected(better, frozenset(guessed))


def _respelt(document: dict[str, Any], spot: Spot, unknown: bool) -> bool:
    """Give a key or a text the name that it is meant to have; returns whether there is one."""
    *path, last = spot.path
    around = _at(document, tuple(path))
    if unknown and isinstance(around, dict) and spot.section is not None and spot.section.is_model:
        name = meant(str(last), fields_of(spot.section))
        if name is None:
            return False
        value = around.pop(last)
        around.setdefault(name, value)
        return True
    value = _at(document, spot.path)
    text = meant(value, choices(spot.form)) if isinstance(value, str) and spot.form is not None else None
    if text is None or spot.is_name:
        return False
    around[last] = text
    return True


def _without(document: dict[str, Any], path: tuple[int | str, ...]) -> None:
    """Remove a key, or the whole list around a faulty entry."""
    keys = list(path)
    while keys and isinstance(keys[-1], int):
        keys.pop()
    around = _at(document, tuple(keys[:-1]))
    if keys and isinstance(around, dict):
        around.pop(keys[-1], None)


def _at(value: Any, path: tuple[int | str, ...]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value

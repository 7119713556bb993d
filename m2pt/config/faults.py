"""What is wrong with a document, in sentences for its author: `KEY: what is wrong`, with dotted keys.

pydantic finds the faults; their words are made here from the declared type of the key, so that they say what the key takes.
"""

import json
import math
import re
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from m2pt.config.base import FaultsError, visible
from m2pt.config.lines import MOST_FAULTS
from m2pt.config.spelling import meant, suggestion
from m2pt.config.spots import Spot, spot_of
from m2pt.config.wanted import Form, choices, fields_of, form_of, words

_MOST_SHOWN = 200
"""Characters of a faulty value."""

_MOST_LISTED = 12
"""Keys of a section that are listed when one of them was misspelt beyond recognition."""

_OWN_KEY = re.compile(r"([A-Za-z_][\w+.\[\]-]*): ")
"""The key at the beginning of a sentence."""


def faults_of(error: ValidationError, model: type[BaseModel], section: str = "") -> list[str]:
    """Each fault of a document that was validated as `model`, once; `section` is the key of the document."""
    sentences = [sentence for fault, spot in located(error, model) for sentence in _sentences(fault, spot, model)]
    return [under(section, sentence, model) if section else sentence for sentence in dict.fromkeys(sentences)]


def located(error: ValidationError, model: type[BaseModel]) -> list[tuple[ErrorDetails, Spot]]:
    """Each fault with its spot. Of a section that may also be true or false, only what is wrong within it is there."""
    placed = [(fault, spot_of(fault["loc"], model, fault["type"] == "missing")) for fault in error.errors()[:MOST_FAULTS]]
    entered = [spot.path for _, spot in placed if spot.inside]

    def is_left_behind(spot: Spot) -> bool:
        within = any(len(path) > len(spot.path) and path[: len(spot.path)] == spot.path for path in entered)
        return within and spot.form is not None and bool(spot.form.members) and not spot.form.tag

    entries = {spot.path[:-1] for _, spot in placed if spot.path and isinstance(spot.path[-1], int)}
    # pydantic counts the faulty entries of a list as missing, too.
    counted = [fault["type"] in ("too_short", "too_long") and spot.path in entries for fault, spot in placed]
    return [each for each, again in zip(placed, counted, strict=True) if not again and not is_left_behind(each[1])]


def under(section: str, sentence: str, model: type[BaseModel]) -> str:
    """A sentence about a section of this model, or about one of its keys, in the words of the document around it."""
    own = _OWN_KEY.match(sentence)
    keys = {field.alias or name for name, field in model.model_fields.items()}
    if own and re.split(r"[.\[]", own.group(1))[0] in keys:
        return f"{section}.{sentence}" if section else sentence
    return f"{section}: {sentence}" if section else sentence


def _sentences(fault: ErrorDetails, spot: Spot, document: type[BaseModel]) -> list[str]:
    match fault["type"]:
        case "extra_forbidden":
            return [f"{spot.key}: {_unknown(spot, document)}"]
        case "json_invalid":
            return [f"{spot.key}: is not valid JSON" if spot.key else "it is not valid JSON"]
        case "missing" if isinstance(fault["loc"][-1], str):
            return [f"{spot.key}: is missing"]
        case "value_error":
            error = fault["ctx"]["error"]
            sentences = error.sentences if isinstance(error, FaultsError) else (str(error),)
            model = spot.form.kind if spot.form is not None and spot.form.is_model else BaseModel
            return [under(spot.key, sentence, model) for sentence in sentences]
        case "union_tag_invalid" | "union_tag_not_found" if spot.form is not None:
            return [_tag_fault(fault, spot, spot.form)]
    return [f"{spot.key}: {_wrong(fault['input'], spot)}" if spot.path else _wrong(fault["input"], spot)]


def _wrong(value: object, spot: Spot) -> str:
    """That a value, or a key, is not one that is taken."""
    if spot.form is None:
        return f"cannot be {_shown(value)}"
    listed = choices(spot.form)
    close = suggestion(value, listed)
    if spot.is_name:
        return f"a key here must be {words(spot.form)}{close}"
    if close and len(listed) > _MOST_LISTED:
        return f"{_shown(value)} is unknown{close}"
    return f"must be {words(spot.form)} (got {_shown(value)}){close}"


def _unknown(spot: Spot, document: type[BaseModel]) -> str:
    keys = [] if spot.section is None else list(fields_of(spot.section))
    name = str(spot.path[-1])
    whole = form_of(document)
    sections = fields_of(whole).items() if whole.is_model else ()
    elsewhere = [f"{section}.{name}" for section, form in sections if form.is_model and name in fields_of(form)]
    if name_meant := meant(name, keys) or " or ".join(elsewhere):
        return f"unknown key; did you mean {name_meant}?"
    listed = f" (known: {', '.join(keys)})" if 0 < len(keys) <= _MOST_LISTED else ""
    return f"unknown key; remove it or correct its spelling{listed}"


def _tag_fault(fault: ErrorDetails, spot: Spot, form: Form) -> str:
    value, tag = fault["input"], next((each.tag for each in (form, *form.members) if each.tag), "kind")
    tags = next((each.tags for each in (form, *form.members) if each.tag), ())
    known = f"{', '.join(tags[:-1])} or {tags[-1]}"
    if not isinstance(value, dict):
        return f"{spot.key}: must be {words(form)} (got {_shown(value)})"
    if tag not in value:
        known_keys = {key for member in (form, *form.members) if member.is_model for key in fields_of(member)}
        if misspelt := next((key for key in value if key not in known_keys and meant(key, [tag])), None):
            return f"{spot.key}.{misspelt}: unknown key; did you mean {tag}?"
        return f"{spot.key}.{tag}: is missing; give one of {known}"
    return f"{spot.key}.{tag}: must be one of {known} (got {_shown(value[tag])}){suggestion(value[tag], tags)}"


def _shown(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    written = json.dumps(value, default=str, ensure_ascii=False)
    text = visible(written)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"

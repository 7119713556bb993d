"""How a run differs from the published training that its recipe is named after."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from m2pt.modalities.recipe import VIT_B
from m2pt.modalities.registry import SPECS
from m2pt.runs.spec import RunSpec, without_draw


@dataclass(frozen=True)
class Departures:
    """What departs from the release, a sentence for each: a key with its value here and the released one in brackets
    (`finetune.precision: bf16 [fp16]`), or what no key can switch. `joined` are those of the pathway.
    """

    always: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeUse:
    """Runs of one recipe that depart from its release in the same way: the parts and targets of the study that they belong to."""

    recipe: str
    source: str
    parts: tuple[str, ...]
    targets: tuple[str, ...]
    departures: Departures


def departures(spec: RunSpec) -> Departures:
    """How a run departs from the release of its recipe; a run without a published recipe does not.

    Computed from the resolved spec: every value of its recipe, of the encoder's size and of `Recipe.released` is compared.
    """
    if spec.task is None or not (recipe := SPECS[spec.modality].recipes[spec.task.recipe]).published:
        return Departures()
    run = spec.model_dump(mode="json")
    compared = {key: getattr(recipe, key).model_dump(mode="json") for key in ("input", "finetune")}
    wanted = dict(_leaves("", compared | {"model": VIT_B.model_dump(mode="json")})) | dict(recipe.released)
    differing = {
        key: f"{key}: {_text(_value(run, key))} [{_text(released)}]"
        for key, released in wanted.items()
        if json.dumps(_value(run, key)) != json.dumps(released)
    }
    always = [sentence for key, sentence in differing.items() if not key.startswith("pathway.")]
    if spec.pathway is None:
        return Departures((*always, *recipe.departs))
    joined = [sentence for key, sentence in differing.items() if key.startswith("pathway.")]
    return Departures((*always, *recipe.departs), (*joined, *recipe.departs_joined))


def uses(parts: Mapping[str, Sequence[RunSpec]]) -> list[RecipeUse]:
    """The published recipes of a study's runs, by its parts, with what departs from their releases.

    Runs without a pathway are listed with those of the same part and target that have one.
    """
    alike: dict[tuple[str, str, tuple[str, ...]], dict[tuple[str, ...], list[tuple[str, str]]]] = {}
    for part, specs in parts.items():
        for spec in {without_draw(spec).model_dump_json(): spec for spec in specs if spec.task is not None}.values():
            if spec.task is not None and (recipe := SPECS[spec.modality].recipes[spec.task.recipe]).published:
                departing = departures(spec)
                key = (spec.task.recipe, recipe.source, departing.always)
                alike.setdefault(key, {}).setdefault(departing.joined, []).append((part, spec.target))
    listed = []
    for (name, source, always), groups in alike.items():
        with_pathway = {place for joined, places in groups.items() if joined for place in places}
        groups[()] = [place for place in groups.get((), []) if place not in with_pathway]
        for joined, places in groups.items():
            if not places:
                continue
            names, targets = (tuple(dict.fromkeys(place[index] for place in places)) for index in (0, 1))
            listed.append(RecipeUse(name, source, names, targets, Departures(always, joined)))
    return listed


def _leaves(prefix: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{prefix}.{key}" if prefix else key, item)
    else:
        yield prefix, value


def _value(document: JsonValue, key: str) -> JsonValue:
    """The value at a dotted key; None where its section is not there."""
    for step in key.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)

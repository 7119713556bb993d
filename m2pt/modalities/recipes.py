"""The recipes of all modalities by name, what a task makes of one, and what of a run departs from the release."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from m2pt.config import FinetuneConfig, Frozen, InputConfig, Modality, TaskConfig, Tuning, UserError, refuses_unknown
from m2pt.modalities.recipe import VIT_B, Recipe
from m2pt.runs.spec import RunSpec

T = TypeVar("T", bound=Frozen)


@refuses_unknown
def recipes(modality: Modality) -> dict[str, Recipe]:
    """The recipes of a modality, by name."""
    found: dict[str, Recipe] = importlib.import_module(f"m2pt.modalities.{modality}.recipes").RECIPES
    return found


@refuses_unknown
def resolve(name: str, task: TaskConfig, tuning: Tuning) -> tuple[InputConfig, FinetuneConfig]:
    """The input and the training of a task in one tuning: its recipe's, with the values that the task changes.

    Raises:
        UserError: the recipe is unknown or has another goal, or a changed value is impossible; key and way out are named.

    """
    known = recipes(task.modality)
    chosen = task.recipes[tuning]
    if chosen not in known:
        raise UserError(
            f"tasks.{name}.recipes.{tuning}: there is no recipe {chosen!r}; known for {task.modality}: {', '.join(known)}."
        )
    recipe = known[chosen]
    if recipe.goal != task.goal:
        raise UserError(
            f"tasks.{name}.recipes.{tuning}: the recipe {chosen} is for {recipe.goal}, the task's goal is {task.goal}."
        )
    form = _changed(recipe.input, task.input, f"tasks.{name}.input")
    training = _changed(recipe.finetune, task.finetune, f"tasks.{name}.finetune")
    if training.augment is True:
        raise UserError(
            f"tasks.{name}.finetune.augment: true turns on what small data have, a task has none of it; leave it out for that of "
            "the recipe, give single values of it, or say false."
        )
    return form, training


def _changed(config: T, changes: dict[str, JsonValue], key: str) -> T:
    try:
        return type(config).model_validate_json(json.dumps(_merged(config.model_dump(mode="json"), changes)))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join((key, *map(str, fault['loc'])))}: {_fault(fault)}" for fault in error.errors())
        raise UserError(f"{faults}.") from error


def _fault(fault: ErrorDetails) -> str:
    """What is wrong with a value, in the words of the schema where it has some."""
    return str(fault["ctx"]["error"]) if fault["type"] == "value_error" else fault["msg"].lower()


def _merged(values: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values with some changed; of a section inside (`augment`, `test`), what is not named stays too."""
    merged = dict(values)
    for key, change in changes.items():
        value = merged.get(key)
        merged[key] = _merged(value, change) if isinstance(value, dict) and isinstance(change, dict) else change
    return merged


@dataclass(frozen=True)
class Departures:
    """What departs from the release, a sentence for each: a key with its value here and the released one in brackets
    (`finetune.precision: bf16 [fp16]`), or what no key can switch. `joined` are those of the pathway.
    """

    always: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeUse:
    """Runs of one recipe that depart from its release in the same: the parts and targets of the study that they belong to."""

    recipe: str
    source: str
    parts: tuple[str, ...]
    targets: tuple[str, ...]
    departures: Departures


def departures(spec: RunSpec) -> Departures:
    """What of a run departs from the release of its recipe; nothing for a run without a recipe.

    Computed from the resolved spec: every value of its recipe, of the encoder's size and of `Recipe.released` is compared.
    """
    if spec.task is None:
        return Departures()
    recipe, run = recipes(spec.modality)[spec.task.recipe], spec.model_dump(mode="json")
    compared = {key: getattr(recipe, key).model_dump(mode="json") for key in ("input", "finetune")}
    wanted = dict(_leaves("", compared | {"model": VIT_B.model_dump(mode="json")})) | dict(recipe.released)
    differing = {
        key: f"{key}: {_told(_value(run, key))} [{_told(released)}]"
        for key, released in wanted.items()
        if json.dumps(_value(run, key)) != json.dumps(released)
    }
    always = [sentence for key, sentence in differing.items() if not key.startswith("pathway.")]
    if spec.pathway is None:
        return Departures((*always, *recipe.departs))
    joined = [sentence for key, sentence in differing.items() if key.startswith("pathway.")]
    return Departures((*always, *recipe.departs), (*joined, *recipe.departs_joined))


def uses(parts: Mapping[str, Sequence[RunSpec]]) -> list[RecipeUse]:
    """The recipes of a study's runs, by its parts, with what departs from their releases.

    Runs without a pathway stand with those of the same part and target that have one.
    """
    alike: dict[tuple[str, str, tuple[str, ...]], dict[tuple[str, ...], list[tuple[str, str]]]] = {}
    for part, specs in parts.items():
        for spec in {spec.model_copy(update={"seed": 0}).model_dump_json(): spec for spec in specs}.values():
            if spec.task is not None:
                found = departures(spec)
                key = (spec.task.recipe, recipes(spec.modality)[spec.task.recipe].source, found.always)
                alike.setdefault(key, {}).setdefault(found.joined, []).append((part, spec.target))
    listed = []
    for (name, source, always), groups in alike.items():
        beside = {place for joined, places in groups.items() if joined for place in places}
        groups[()] = [place for place in groups.get((), []) if place not in beside]
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


def _told(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)

"""The recipes of all modalities by name, what a task makes of one, and what of a run departs from the release."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from m2pt.config import FinetuneConfig, Frozen, InputConfig, Modality, TaskConfig, Tuning, UserError, refuses_unknown
from m2pt.identity import RunSpec
from m2pt.modalities.recipe import VIT_B, Recipe

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
        faults = "; ".join(f"{key}.{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors())
        raise UserError(f"{faults}.") from error


def _merged(values: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values with some changed; of a section inside (`augment`, `test`), what is not named stays too."""
    merged = dict(values)
    for key, change in changes.items():
        value = merged.get(key)
        merged[key] = _merged(value, change) if isinstance(value, dict) and isinstance(change, dict) else change
    return merged


@dataclass(frozen=True)
class RecipeUse:
    """Runs of one recipe that depart from its release in the same: the parts and targets of the study that they belong to.

    `departures` has a sentence for each: a key with its value here and the released one in brackets
    (`finetune.precision: bf16 [fp16]`), or what no key can switch.
    """

    recipe: str
    source: str
    parts: tuple[str, ...]
    targets: tuple[str, ...]
    departures: tuple[str, ...]


def departures(spec: RunSpec) -> tuple[str, ...]:
    """What of a run departs from the release of its recipe (`RecipeUse.departures`); nothing for a run without a recipe.

    Computed from the resolved spec: every value of its recipe, of the encoder's size and of `Recipe.released` is compared.
    """
    if spec.task is None:
        return ()
    recipe, run = recipes(spec.modality)[spec.task.recipe], spec.model_dump(mode="json")
    compared = {key: getattr(recipe, key).model_dump(mode="json") for key in ("input", "finetune")}
    wanted = dict(_leaves("", compared | {"model": VIT_B.model_dump(mode="json")})) | dict(recipe.released)
    found = []
    for key, released in wanted.items():
        if key.startswith("pathway.") and spec.pathway is None:
            continue
        ours = _value(run, key)
        if json.dumps(ours) != json.dumps(released):
            found.append(f"{key}: {_told(ours)} [{_told(released)}]")
    return (*found, *recipe.departs, *(recipe.departs_joined if spec.pathway is not None else ()))


def uses(parts: Mapping[str, Sequence[RunSpec]]) -> list[RecipeUse]:
    """The recipes of a study's runs, by its parts, with what departs from their releases."""
    found: dict[tuple[str, tuple[str, ...]], tuple[Recipe, dict[str, None], dict[str, None]]] = {}
    for part, specs in parts.items():
        for spec in {spec.model_copy(update={"seed": 0}).model_dump_json(): spec for spec in specs}.values():
            if spec.task is not None:
                key = (spec.task.recipe, departures(spec))
                _, names, targets = found.setdefault(key, (recipes(spec.modality)[spec.task.recipe], {}, {}))
                names[part], targets[spec.target] = None, None
    return [
        RecipeUse(name, recipe.source, tuple(names), tuple(targets), departs)
        for (name, departs), (recipe, names, targets) in found.items()
    ]


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

"""The input and the training of a task: a published recipe with the task's changes."""

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from m2pt.config import FinetuneConfig, Frozen, InputConfig, TaskConfig, Tuning, UserError, refuses_unknown
from m2pt.config.base import FaultyKeysError
from m2pt.config.faults import faults_of
from m2pt.config.spelling import suggestion
from m2pt.modalities.registry import SPECS

T = TypeVar("T", bound=Frozen)


@refuses_unknown
def resolve(name: str, task: TaskConfig, tuning: Tuning) -> tuple[InputConfig, FinetuneConfig]:
    """The input and the training of a task in one tuning: its recipe's, with the values that the task changes.

    Raises:
        UserError: the recipe is unknown or has another goal, or a changed value is impossible; the message
            names the key and the way out.

    """
    known = SPECS[task.modality].recipes
    chosen = task.recipes[tuning]
    if chosen not in known:
        raise UserError(
            f"tasks.{name}.recipes.{tuning}: there is no recipe {chosen!r}; known for {task.modality}: {', '.join(known)}"
            f"{suggestion(chosen, known) or '.'}"
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
            f"tasks.{name}.finetune.augment: true turns on the augmentation of small data, which a task does not have; leave the "
            "key out to use the recipe's augmentation, set single values of it, or set it to false."
        )
    return form, training


def _changed(config: T, changes: dict[str, JsonValue], key: str) -> T:
    try:
        return type(config).model_validate_json(json.dumps(_merged(config.model_dump(mode="json"), changes)))
    except ValidationError as error:
        raise FaultyKeysError(faults_of(error, type(config), key)) from error


def _merged(values: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values with some changed; a nested section (`augment`, `test`) also keeps the values that are not named."""
    merged = dict(values)
    for key, change in changes.items():
        value = merged.get(key)
        merged[key] = _merged(value, change) if isinstance(value, dict) and isinstance(change, dict) else change
    return merged

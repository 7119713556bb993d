"""The recipes of all modalities by name, and what a task makes of one."""

import importlib
import json
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from m2pt.config import FinetuneConfig, Frozen, InputConfig, Modality, TaskConfig, Tuning, UserError
from m2pt.modalities.recipe import Recipe

T = TypeVar("T", bound=Frozen)


def recipes(modality: Modality) -> dict[str, Recipe]:
    """The recipes of a modality, by name."""
    found: dict[str, Recipe] = importlib.import_module(f"m2pt.modalities.{modality}.recipes").RECIPES
    return found


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
    return _changed(recipe.input, task.input, f"tasks.{name}.input"), _changed(
        recipe.finetune, task.finetune, f"tasks.{name}.finetune"
    )


def _changed(config: T, changes: dict[str, JsonValue], key: str) -> T:
    try:
        return type(config).model_validate_json(json.dumps(config.model_dump(mode="json") | changes))
    except ValidationError as error:
        faults = "; ".join(f"{key}.{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors())
        raise UserError(f"{faults}.") from error

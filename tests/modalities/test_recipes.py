"""Published recipes: what they declare exists and is read, and what a task can change of them."""

from pathlib import Path

import pytest

from m2pt.config import MODALITIES, FinetuneConfig, UserError
from m2pt.config.study_file import parse_study
from m2pt.methods import unread
from m2pt.modalities.recipe import Recipe
from m2pt.modalities.recipes import resolve
from m2pt.modalities.registry import SPECS
from m2pt.runs.unread import is_unread, leaves
from tests.modalities.recipe_runs import parts

NAMES = [(modality, name) for modality in MODALITIES for name in SPECS[modality].recipes]


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_every_released_key_exists_and_differs_from_the_recipes_own(modality: str, name: str):
    recipe: Recipe = SPECS[modality].recipes[name]
    _, joined, *_ = parts()["main"]
    run = joined.model_copy(update={"input": recipe.input, "finetune": recipe.finetune}).model_dump(mode="json")
    for key, released in recipe.released.items():
        value = run
        for step in key.split("."):
            assert step in value, f"{name}: there is no {key}"
            value = value[step]
        if key != "pathway.scale_lr_multiple":  # the study's choice, not the recipe's
            assert value != released, f"{name}: {key} is the released value already"


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_a_recipe_declares_nothing_that_its_runs_do_not_read(modality: str, name: str):
    recipe: Recipe = SPECS[modality].recipes[name]
    baseline, *_ = parts()["main"]
    fix = name == "mae-linear-probe"
    assert baseline.task is not None
    spec = baseline.model_copy(
        update={
            "modality": modality,
            "tuning": "fix" if fix else "full",
            "task": baseline.task.model_copy(update={"recipe": name, "goal": recipe.goal}),
            "input": recipe.input,
            "finetune": recipe.finetune,
        }
    )
    reasons = unread(spec)
    usual = dict(leaves(FinetuneConfig(), "finetune")) | dict(leaves(type(recipe.finetune.augment)(), "finetune.augment"))
    declared = {key: value for key, value in leaves(recipe.finetune, "finetune") if value != usual[key]}
    assert len(declared) >= 8
    # What a recipe leaves out (a label smoothing of 0) is true of a run that would not read it too.
    assert not {key: reason for key, value in declared.items() if value and (reason := is_unread(key, reasons))}


def test_what_a_task_cannot_change_is_told_by_its_key_in_the_words_of_the_schema():
    text = (Path(__file__).parents[2] / "studies" / "paper.yaml").read_text(encoding="utf-8")
    study = parse_study(text, "paper.yaml")
    probe = study.tasks["imagenet"].model_copy(update={"finetune": {"head": "mean"}})
    with pytest.raises(UserError) as caught:
        resolve("imagenet", probe, "fix")
    assert str(caught.value) == "tasks.imagenet.finetune.norm_rows: is for the head class_token, not for mean; leave it out."


def test_the_release_of_the_video_recipe_is_said_to_read_past_the_pathway_in_attention():
    told = SPECS["video"].recipes["videomae-kinetics400"].departs_joined
    assert any("attn.qkv" in sentence and "past the pathway" in sentence for sentence in told)

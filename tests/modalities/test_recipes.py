"""What of a run departs from the release of its recipe, computed from its resolved spec."""

from pathlib import Path

import pytest

from m2pt.config import MODALITIES, FinetuneConfig, PathwayConfig, UserError
from m2pt.config.study_file import parse_study
from m2pt.methods import unread
from m2pt.modalities.recipe import Recipe
from m2pt.modalities.recipes import Departures, departures, recipes, resolve, uses
from m2pt.runs.spec import RunSpec
from m2pt.runs.unread import is_unread, leaves
from pipelines.planning.grid import Fingerprints, part_specs

NAMES = [(modality, name) for modality in MODALITIES for name in recipes(modality)]

STUDY = """
study: small
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth}}}
model: {width: 768, depth: 12, heads: 12}
tasks:
  toy:
    {modality: image, dataset: imagenet, path: t, recipes: {full: mae-finetune, fix: mae-linear-probe}, finetune: {precision: P}}
pathway: {scale_lr_multiple: 1.0}
sweep: {seeds: [0, 1], targets: [toy], auxiliaries: [audio], target_encoder: published, auxiliary_encoder: published,
        methods: [baseline, pathway]}
parts:
  - {name: main}
  - {name: fast, set: {pathway.scale_lr_multiple: 30.0}}
  - {name: probe, set: {sweep.tunings: [fix]}}
"""


def parts(old: str = "", new: str = "") -> dict[str, list[RunSpec]]:
    prints = Fingerprints({"toy": "d" * 64}, {("published", name): name * 2 for name in MODALITIES})
    return part_specs(parse_study(STUDY.replace("P}", "bf16}").replace(old, new), "small.yaml"), prints)


def test_every_value_that_is_not_the_releases_is_listed_with_both():
    baseline, pathway, *_ = parts()["main"]
    found = departures(baseline)
    assert "finetune.precision: bf16 [fp16]" in found.always
    assert found.joined == ()
    changed = baseline.model_copy(update={"finetune": baseline.finetune.model_copy(update={"epochs": 7, "layer_decay": 0.75})})
    assert set(departures(changed).always) - set(found.always) == {
        "finetune.epochs: 7 [100]",
        "finetune.layer_decay: 0.75 [0.65]",
    }
    small = baseline.model_copy(update={"model": baseline.model.model_copy(update={"depth": 4})})
    assert set(departures(small).always) - set(found.always) == {"model.depth: 4 [12]"}
    slow = pathway.model_copy(update={"pathway": PathwayConfig(scale_lr_multiple=30.0)})
    assert set(departures(slow).joined) - set(departures(pathway).joined) == {"pathway.scale_lr_multiple: 30.0 [1.0]"}


def test_a_study_that_takes_the_released_value_departs_in_one_thing_less():
    for ours, theirs in zip(parts()["main"], parts("precision: bf16", "precision: fp16")["main"], strict=True):
        assert set(departures(ours).always) - set(departures(theirs).always) == {"finetune.precision: bf16 [fp16]"}
        assert set(departures(theirs).always) < set(departures(ours).always)


def test_parts_that_depart_in_the_same_stand_together_and_none_is_left_out():
    found = uses(parts())
    assert {part for use in found for part in use.parts} == {"main", "fast", "probe"}
    by_part = {part: [use for use in found if part in use.parts] for part in ("main", "fast", "probe")}
    assert {use.recipe for use in by_part["main"]} == {"mae-finetune"}
    assert {use.recipe for use in by_part["probe"]} == {"mae-linear-probe"}
    assert any("pathway.scale_lr_multiple: 30.0 [1.0]" in use.departures.joined for use in by_part["fast"])
    assert not any("pathway.scale_lr_multiple: 30.0 [1.0]" in use.departures.joined for use in by_part["main"])


def test_a_task_changes_single_values_also_of_a_section_inside():
    old, new = "finetune: {precision: bf16}", "finetune: {precision: bf16, augment: {crop_draw: once}}"
    plain, changed = parts()["main"][0], parts(old, new)["main"][0]
    assert changed.finetune.augment == plain.finetune.augment.model_copy(update={"crop_draw": "once"})
    assert set(departures(changed).always) - set(departures(plain).always) == {"finetune.augment.crop_draw: once [again]"}


def test_runs_without_a_recipe_depart_from_nothing():
    spec = parts()["main"][0]
    assert departures(spec.model_copy(update={"task": None})) == Departures()
    assert uses({"": [spec.model_copy(update={"task": None})]}) == []


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_every_released_key_exists_and_differs_from_the_recipes_own(modality: str, name: str):
    recipe: Recipe = recipes(modality)[name]
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
    recipe: Recipe = recipes(modality)[name]
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
    assert len(declared) > 8
    # What a recipe leaves out (a label smoothing of 0) is true of a run that would not read it too.
    assert not {key: reason for key, value in declared.items() if value and (reason := is_unread(key, reasons))}


def test_what_a_task_cannot_change_is_told_by_its_key_in_the_words_of_the_schema():
    text = (Path(__file__).parents[2] / "studies" / "paper.yaml").read_text(encoding="utf-8")
    study = parse_study(text, "paper.yaml")
    probe = study.tasks["imagenet"].model_copy(update={"finetune": {"head": "mean"}})
    with pytest.raises(UserError) as caught:
        resolve("imagenet", probe, "fix")
    assert str(caught.value) == "tasks.imagenet.finetune: norm_rows is for the head class_token, not for mean."


def test_the_release_of_the_video_recipe_is_said_to_read_past_the_pathway_in_attention():
    told = recipes("video")["videomae-kinetics400"].departs_joined
    assert any("attn.qkv" in sentence and "past the pathway" in sentence for sentence in told)

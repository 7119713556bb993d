"""What of a run departs from the release of its recipe, computed from its resolved spec."""

from m2pt.analysis.paper.departures import Departures, departures, uses
from m2pt.config import PathwayConfig
from tests.modalities.recipe_runs import parts


def test_every_value_that_is_not_the_releases_is_listed_with_both():
    baseline, pathway, *_ = parts()["main"]
    departing = departures(baseline)
    assert "finetune.precision: bf16 [fp16]" in departing.always
    assert departing.joined == ()
    changed = baseline.model_copy(update={"finetune": baseline.finetune.model_copy(update={"epochs": 7, "layer_decay": 0.75})})
    assert set(departures(changed).always) - set(departing.always) == {
        "finetune.epochs: 7 [100]",
        "finetune.layer_decay: 0.75 [0.65]",
    }
    small = baseline.model_copy(update={"model": baseline.model.model_copy(update={"depth": 4})})
    assert set(departures(small).always) - set(departing.always) == {"model.depth: 4 [12]"}
    slow = pathway.model_copy(update={"pathway": PathwayConfig(scale_lr_multiple=30.0)})
    assert set(departures(slow).joined) - set(departures(pathway).joined) == {"pathway.scale_lr_multiple: 30.0 [1.0]"}


def test_a_study_that_takes_the_released_value_departs_in_one_thing_less():
    for ours, theirs in zip(parts()["main"], parts("precision: bf16", "precision: fp16")["main"], strict=True):
        assert set(departures(ours).always) - set(departures(theirs).always) == {"finetune.precision: bf16 [fp16]"}
        assert set(departures(theirs).always) < set(departures(ours).always)


def test_parts_that_depart_in_the_same_stand_together_and_none_is_left_out():
    used = uses(parts())
    assert {part for use in used for part in use.parts} == {"main", "fast", "probe"}
    by_part = {part: [use for use in used if part in use.parts] for part in ("main", "fast", "probe")}
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

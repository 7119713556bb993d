"""studies/paper.yaml is the paper: what its tables hold is planned, and nothing is planned whose cost cannot be told."""

from pathlib import Path

import pytest

from m2pt.analysis.paper.departures import uses
from m2pt.analysis.paper.scores import ablation_score, published_entries
from m2pt.config import LAYERS, FileSource, PathwayConfig
from m2pt.config.study_file import load_study
from m2pt.modalities.registry import dataset_facts
from m2pt.runs.spec import EncoderKey, RunSpec
from pipelines.planning.grid import part_specs, run_specs
from pipelines.planning.run_maker import Fingerprints

STUDY = load_study(Path(__file__).parents[2] / "studies" / "paper.yaml")
WEIGHTS = {
    EncoderKey(name, modality): f"{number}" * 64
    for number, (name, source) in enumerate(STUDY.encoders.items())
    if isinstance(source, FileSource)
    for modality in source.paths
}
PRINTS = Fingerprints(dict.fromkeys(STUDY.tasks, "d" * 64), WEIGHTS)


@pytest.fixture(scope="module")
def specs() -> list[RunSpec]:
    return run_specs(STUDY, PRINTS)


def _dataset(spec: RunSpec) -> str:
    assert spec.task is not None
    return spec.task.dataset


def test_every_covered_cell_of_tables_1_to_4_is_planned(specs):
    planned = {
        (_dataset(spec), spec.setting, spec.tuning, spec.auxiliary)
        for spec in specs
        if spec.pathway in (None, STUDY.pathway)
        and (spec.auxiliary_weights is None or spec.auxiliary_weights.source == "published")
    }
    cells = {(dataset, setting, tuning, auxiliary) for dataset, _, setting, tuning, auxiliary in published_entries()}
    assert cells <= planned
    assert {cell for cell in planned - cells if cell[-1] != "random"} == set()


def test_every_cell_of_tables_5_and_6_is_planned(specs):
    """The method itself and eight variations of it on three data sets, and three more on ImageNet-1K."""
    epochs = {"published": 300, "published-20": 20, "published-220": 220}
    wanted = {("imagenet", "accuracy", "point"), ("shapenetpart", "miou_class", "video"), ("partnet", "miou", "video")}
    for dataset, metric, auxiliary in wanted:
        found = {
            (ablation_score(dataset, metric, spec.pathway, epochs[spec.auxiliary_weights.source]), spec.pathway.model_dump_json())
            for spec in specs
            if (_dataset(spec), spec.auxiliary, spec.setting, spec.tuning) == (dataset, auxiliary, "pretrained", "full")
        }
        assert None not in {score for score, _ in found}
        assert len(found) == (9 + 3 if dataset == "imagenet" else 9)
        layers = [PathwayConfig.model_validate_json(text).layers for _, text in found]
        assert {names for names in layers if names != LAYERS} == {(layer,) for layer in LAYERS}


def test_the_random_control_stands_beside_every_condition(specs):
    conditions = {(spec.target, spec.setting, spec.tuning) for spec in specs}
    controlled = {(spec.target, spec.setting, spec.tuning) for spec in specs if spec.method == "random_auxiliary"}
    assert conditions == controlled


def test_every_cell_has_three_seeds_and_no_run_comes_twice(specs):
    assert len(specs) == len({spec.model_dump_json() for spec in specs}) == 243
    assert [spec.seed for spec in specs] == sorted(spec.seed for spec in specs)
    assert sum(len(part) for part in part_specs(STUDY, PRINTS).values()) >= 243
    assert {spec.seed for spec in specs} == {0, 1, 2}


def test_all_is_at_the_papers_scale(specs):
    assert all((spec.model.width, spec.model.depth, spec.model.heads) == (768, 12, 12) for spec in specs)
    assert all(spec.input.form == "published" and spec.finetune.samples == "all" for spec in specs)
    assert all(dataset_facts(_dataset(spec), spec.task.variant if spec.task else None) is not None for spec in specs)


def test_for_every_part_it_is_told_what_departs_from_the_release(specs):
    """Every run is of some recipe, and none is without departures: the paper has no bf16."""
    found = uses(part_specs(STUDY, PRINTS))
    assert {part for use in found for part in use.parts} == {part.name for part in STUDY.parts}
    assert {(target, use.recipe) for use in found for target in use.targets} == {
        (spec.target, spec.task.recipe) for spec in specs
    }
    for use in found:
        precision = "fp32" if use.recipe.startswith("point-") else "fp16"
        assert f"finetune.precision: bf16 [{precision}]" in use.departures.always

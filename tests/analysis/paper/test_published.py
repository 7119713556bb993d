"""Numbers below are read off the paper's tables by eye, not taken from the data files."""

from collections import Counter

import pytest

from m2pt.analysis.paper.scores import ablation_score, published_entries, published_score
from m2pt.analysis.paper.training_cost import BASELINE_COST, PATHWAY_COST
from m2pt.config import LAYERS, MODALITIES, PathwayConfig
from m2pt.modalities.registry import dataset_facts, datasets


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (("imagenet", "accuracy", "pretrained", "full", ""), 83.3),
        (("imagenet", "accuracy", "pretrained", "full", "point"), 83.9),
        (("imagenet", "accuracy", "pretrained", "fix", ""), 65.6),
        (("imagenet", "accuracy", "pretrained", "fix", "audio"), 67.3),
        (("imagenet", "accuracy", "scratch", "full", ""), 76.5),
        (("imagenet", "accuracy", "scratch", "full", "point"), 81.9),
        (("imagenet", "accuracy", "scratch", "fix", "point"), 19.5),
        (("ade20k", "miou", "pretrained", "full", "point"), 47.9),
        (("ade20k", "miou", "scratch", "full", ""), 39.7),
        (("coco", "ap_box", "pretrained", "full", ""), 47.3),
        (("coco", "ap_mask", "pretrained", "full", ""), 42.4),
        (("coco", "ap_box", "pretrained", "full", "point"), 50.0),
        (("coco", "ap_mask", "pretrained", "full", "point"), 44.0),
        (("coco", "ap_box", "scratch", "full", ""), 46.2),
        (("coco", "ap_mask", "scratch", "full", ""), 40.5),
        (("coco", "ap_box", "scratch", "full", "point"), 48.9),
        (("coco", "ap_mask", "scratch", "full", "point"), 42.2),
        (("shapenetpart", "miou_class", "pretrained", "full", ""), 84.2),
        (("shapenetpart", "miou_instance", "pretrained", "full", "image"), 87.5),
        (("shapenetpart", "miou_instance", "scratch", "full", "video"), 68.8),
        (("partnet", "miou", "pretrained", "full", "audio"), 48.1),
        (("audioset", "map", "pretrained", "full", ""), 35.3),
        (("audioset", "map", "scratch", "full", "point"), 11.4),
        (("kinetics", "accuracy", "pretrained", "full", ""), 81.5),
        (("kinetics", "accuracy", "pretrained", "full", "audio"), 82.3),
    ],
)
def test_a_cell_of_tables_1_to_4(cell, value):
    assert published_score(*cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        ("imagenet", "accuracy", "pretrained", "full", "random"),  # the paper has no control
        ("imagenet", "accuracy", "scratch", "full", "audio"),
        ("imagenet", "miou", "pretrained", "full", "point"),
        ("ade20k", "miou", "pretrained", "fix", "point"),
        ("partnet", "miou", "scratch", "full", ""),
        ("kinetics", "accuracy", "scratch", "full", ""),
        ("esc50", "accuracy", "pretrained", "full", ""),
    ],
)
def test_what_the_paper_does_not_have_is_missing(cell):
    assert published_score(*cell) is None


def test_the_entries_are_those_of_the_method_and_its_baselines_on_covered_data_sets():
    entries = published_entries()
    assert Counter(dataset for dataset, *_ in entries) == {
        "imagenet": 12, "coco": 8, "ade20k": 4, "shapenetpart": 12, "partnet": 4, "audioset": 6, "kinetics": 4,
    }  # fmt: skip
    assert {auxiliary for *_, auxiliary in entries} == {"", *MODALITIES}
    assert all(10 < (published_score(*entry) or 0) < 100 for entry in entries)


def test_the_baseline_is_the_papers_own_not_another_method():
    assert published_score("imagenet", "accuracy", "pretrained", "full", "") == 83.3  # MFF: 83.6
    assert published_score("ade20k", "miou", "pretrained", "full", "") == 46.1  # MAE's


@pytest.mark.parametrize(
    ("dataset", "metric", "changes", "epochs", "value"),
    [
        ("imagenet", "accuracy", {"layers": ("attn.qkv",)}, 300, 83.4),
        ("partnet", "miou", {"layers": ("mlp.fc1",)}, 300, 48.4),
        ("shapenetpart", "miou_instance", {"layers": ("mlp.fc2",)}, 300, 87.2),
        ("shapenetpart", "miou_class", {"scale_init": 1e-2, "scale_trainable": False}, 300, 84.6),
        ("imagenet", "accuracy", {"scale_init": 1e-2}, 300, 83.6),
        ("partnet", "miou", {"scale_init": 1e-6}, 300, 48.2),
        ("imagenet", "accuracy", {}, 20, 83.55),
        ("imagenet", "accuracy", {}, 220, 83.69),
        ("imagenet", "accuracy", {}, 300, 83.93),
        ("imagenet", "accuracy", {"order": "reversed"}, 300, 83.61),
        ("partnet", "miou", {}, 300, 50.1),
        ("partnet", "miou", {"order": "reversed"}, 300, None),
        ("imagenet", "accuracy", {"layers": ("attn.qkv", "attn.proj")}, 300, None),
        ("imagenet", "accuracy", {"granularity": "channel"}, 300, None),
        ("imagenet", "accuracy", {"auxiliary_trainable": False}, 300, None),
        ("audioset", "map", {}, 300, None),
    ],
)
def test_a_cell_of_tables_5_and_6(dataset, metric, changes, epochs, value):
    assert ablation_score(dataset, metric, PathwayConfig(**changes), epochs) == value


def test_the_order_of_layers_does_not_matter_and_no_pathway_is_the_baseline():
    assert ablation_score("imagenet", "accuracy", PathwayConfig(layers=LAYERS[::-1])) == 83.93
    assert ablation_score("shapenetpart", "miou_class", None) == 84.2


def test_facts_about_data_sets():
    assert dataset_facts("imagenet").train == 1_281_167
    assert dataset_facts("scanobjectnn", "hardest").test == 2_882
    assert dataset_facts("scanobjectnn") is None and dataset_facts("webdataset") is None
    assert (dataset_facts("shapenetpart").classes, dataset_facts("shapenetpart").categories) == (50, 16)
    assert all(facts.source and facts.train > facts.classes for _, spec in datasets() for facts in spec.facts.values())
    scored = {dataset for dataset, *_ in published_entries()}
    assert scored <= {name for name, spec in datasets() if spec.facts}


def test_table_7_doubles_what_is_trained_and_leaves_inference_alone():
    assert PATHWAY_COST.trainable_parameters == 2 * BASELINE_COST.trainable_parameters
    assert PATHWAY_COST.inference_ms == BASELINE_COST.inference_ms == 11.64

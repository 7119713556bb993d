"""What a study of ConvNets can say, and what it is told when it says something of transformers."""

import json

import pytest

from m2pt.config import ModelConfig, PointInput, UserError
from m2pt.config.encoders import has_seen_no_modality
from m2pt.config.study_file import parse_study
from m2pt.methods import METHODS
from m2pt.runs.identity import run_id
from m2pt.runs.lineage import start_of
from m2pt.runs.spec import EncoderKey
from m2pt.training.startable import Known, Means, faults
from pipelines.planning.grid import pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints
from tests.specs import MODEL, run_spec

STUDY = """
study: a
model: {family: unireplknet, width: 32, stages: [[3], [7]]}
encoders: {labels: {kind: labels, start: random}}
sweep:
  seeds: [0]
  targets: [image, audio]
  auxiliaries: [image, audio]
  methods: [METHODS]
  target_encoder: labels
  auxiliary_encoder: labels
"""
PRINTS = Fingerprints(dict.fromkeys(("image", "audio", "point", "video"), "d" * 64), {})
CONVNET = ModelConfig(family="unireplknet", width=32, stages=((3,), (7,)))


def study(methods="baseline, pathway, mlp_pathway", **changes):
    text = STUDY.replace("METHODS", methods)
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return parse_study(text, "a.yaml")


def test_a_pathway_of_convnets_joins_all_their_layers_unless_it_names_some():
    layers = {spec.method: spec.pathway.layers for spec in run_specs(study(), PRINTS) if spec.pathway is not None}
    assert layers == {"pathway": ("conv_dw", "se", "mlp.fc1", "mlp.fc2"), "mlp_pathway": ("mlp.fc1", "mlp.fc2")}
    named = study("pathway", named=("sweep:", "pathway: {layers: [conv_dw]}\nsweep:"))
    assert {spec.pathway.layers for spec in run_specs(named, PRINTS)} == {("conv_dw",)}


def test_an_encoder_that_starts_from_random_weights_has_no_start():
    read = study()
    (first, *_) = pretrain_specs(read, PRINTS)
    assert (first.source, first.start, first.ready) == ("labels", None, True)
    assert start_of(read.encoders, EncoderKey("labels", "image")) is None
    assert not has_seen_no_modality(read.encoders, "labels")
    noisy = study("baseline, no_modality", noise=("start: random}", "start: random, labels: random}"),
                  named=("sweep:", "sweep:\n  no_modality_encoder: labels"))  # fmt: skip
    assert has_seen_no_modality(noisy.encoders, "labels")


def test_the_keys_of_convnets_are_no_part_of_a_transformers_id():
    spec = run_spec()
    assert run_id(spec) == run_id(spec.model_copy(update={"model": ModelConfig(stages=((3,), (7, 3)), **MODEL.model_dump())}))
    assert "stages" not in json.dumps(spec.model_dump(mode="json"))
    assert "view" not in run_spec(modality="point", target="point", input=PointInput()).model_dump(mode="json")["input"]


FAULTS = [
    ("kind: labels, start: random", "kind: mae", r"a\.yaml:4:.*labels\.kind: mae hides tokens, which model\.family unireplknet"),
    ("kind: labels, start: random", "kind: procedural", r"encoders\.labels\.kind: procedural reads tokens"),
    ("width: 32", "width: 36", r"a\.yaml:3:.*model\.width: 36 must be a multiple of 8 for 2 stages"),
    ("width: 32, stages: [[3], [7]]", "from: labels", r"model\.from: the files of a ConvNet do not say its stages"),
    ("kind: labels, start: random", "kind: run, runs: {image: runs/a/b}", r"labels\.kind: a run of model\.family uni"),
    ("[[3], [7]]", "[[3], [8]]", r"model\.stages"),
    ("[[3], [7]]", "[[3], []]", r"model\.stages"),
    ("start: random", "start: nobody", r"encoders\.labels\.start: 'nobody' must name an encoder of kind mae, or be random"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS)
def test_faults_are_told_when_the_study_is_read(old, new, sentence):
    with pytest.raises(UserError, match=sentence):
        study(change=(old, new))


def of_convnet(method="pathway", means=None, **changes):
    layers = run_spec().pathway.model_copy(
        update={"layers": changes.pop("layers", ("conv_dw",)), "order": changes.pop("order", "normal")}
    )
    spec = run_spec(method=method, model=CONVNET, pathway=None if METHODS[method].pathway is None else layers, **changes)
    return list(faults(spec, means or Means(), Known()))


TRANSFORMERS_ONLY = {
    "adapters", "aligned_apart", "aligned_apart_random", "aligned_pathway", "aligned_random", "attention_copy",
    "attention_distillation", "attention_pathway", "attention_start", "cross_attention", "frozen_pretrained_transformer",
    "joint_attention", "joint_noise", "joint_training", "mimetic", "mimetic_start", "no_modality_attention_start", "orca",
    "rebasin_interpolation", "reversed_order", "shuffled_order", "spectrum_matched_attention_start",
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_makes_sense_for_transformers_alone_is_refused_with_one_sentence(method):
    told = [
        sentence for sentence in of_convnet(method) if "which model.family unireplknet does not have; leave it out." in sentence
    ]
    assert len(told) == (method in TRANSFORMERS_ONLY)
    assert all(sentence.startswith(f"sweep.methods: {method} needs ") for sentence in told)


def test_settings_of_transformers_are_refused():
    form = run_spec().input.model_copy(update={"form": "published"})
    recipe = run_spec().finetune
    for changes, key in (
        (
            {"layers": ("attn.qkv",)},
            r"pathway.layers: attn.qkv is no layer of model.family unireplknet; choose among conv_dw, se, mlp",
        ),
        (
            {"order": "shuffled"},
            "pathway.order: shuffled is for blocks of equal shapes, and unireplknet has none; set it to normal.",
        ),
        ({"input": form}, "inputs.image.form: published samples become tokens"),
        ({"finetune": recipe.model_copy(update={"head": "class_token"})}, "finetune.head: class_token reads tokens"),
        (
            {"finetune": recipe.model_copy(update={"blocks": recipe.blocks.model_copy(update={"layer_scale": 0.1})})},
            "finetune.blocks",
        ),
        ({"means": Means(recomputes=True)}, "execution.gradient_checkpointing: the batch norm of unireplknet"),
        ({"means": Means(micro_batch=4)}, "execution.micro_batch: the model of image has batch norm"),
    ):
        assert any(sentence.startswith(key) for sentence in of_convnet(**changes)), key
    assert of_convnet() == []

"""The encoder of the controls without a modality: declared, checked, one for each target, and trained before it is joined."""

import pytest
import yaml

from m2pt.config import FileSource, UserError
from m2pt.config.encoders import has_seen_no_modality
from m2pt.config.study_file import parse_study
from pipelines.planning.grid import data_used, encoders_used, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.unused_keys.check import refuse_unused_keys

TEXT = """
study: without
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
  noise: {kind: mae, data: noise}
  random-labels: {kind: labels, start: noise, labels: random}
  brackets: {kind: procedural, steps: 60}
pretrain:
  procedural: {steps: 50, kinds: 8}
sweep:
  seeds: [0]
  targets: [image, audio]
  auxiliaries: [image, audio]
  methods: [baseline, pathway, no_modality, no_modality_start]
  auxiliary_encoder: mae+labels
  no_modality_encoder: brackets
"""


def parsed(document):
    return parse_study(yaml.safe_dump(document, sort_keys=False), "without.yaml")


def study(**sweep):
    document = yaml.safe_load(TEXT)
    document["sweep"] |= sweep
    return parsed(document)


def prints(declared, made=True):
    weights = {key: ("-".join(map(str, key)) if made else None) for key in encoders_used(declared)}
    return Fingerprints({modality: f"data-{modality}" for modality in ("image", "audio")}, weights)


@pytest.mark.parametrize("name", ["noise", "random-labels", "brackets"])
def test_every_target_gets_the_one_encoder_that_was_made_for_its_modality(name):
    declared = study(no_modality_encoder=name)
    runs = [run for run in run_specs(declared, prints(declared)) if run.method in ("no_modality", "no_modality_start")]
    assert [(run.method, run.target) for run in runs] == [
        (method, target) for target in ("image", "audio") for method in ("no_modality", "no_modality_start")
    ]
    for run in runs:
        assert run.auxiliary == ""
        assert (run.auxiliary_weights.source, run.auxiliary_weights.modality) == (name, run.target)
        assert run.target_weights.source == "mae"
        assert run.name == f"{run.target}-{run.method}-pretrained-full-s0"


def test_pretrainings_say_what_they_are_trained_on():
    declared = study()
    specs = {(spec.source, spec.modality): spec for spec in pretrain_specs(declared, prints(declared))}
    assert {source for source, _ in specs} == {"mae", "mae+labels", "brackets"}
    brackets = specs["brackets", "image"]
    assert (brackets.pretrain.steps, brackets.pretrain.kinds) == (60, 8)
    assert brackets.data_sha256 == ""
    assert not brackets.reads_data
    assert brackets.ready
    declared = study(no_modality_encoder="random-labels")
    specs = {(spec.source, spec.modality): spec for spec in pretrain_specs(declared, prints(declared))}
    assert (specs["noise", "audio"].samples, specs["noise", "audio"].labels) == ("noise", "real")
    assert (specs["random-labels", "audio"].samples, specs["random-labels", "audio"].labels) == ("real", "random")
    assert specs["random-labels", "audio"].start.source == "noise"
    assert specs["mae", "audio"].model_dump().keys() == specs["mae", "image"].model_dump().keys()
    assert "samples" not in specs["mae", "audio"].model_dump()


def test_only_encoders_that_read_samples_need_the_data_of_their_modality():
    tasks = {"toy": {"modality": "point", "dataset": "modelnet40", "path": "toy", "recipes": {"full": "point-mae-modelnet40"}}}
    document = yaml.safe_load(TEXT) | {"tasks": tasks}
    document["sweep"] |= {"targets": ["toy"], "auxiliaries": [], "methods": ["no_modality"], "settings": ["scratch"]}
    assert data_used(parsed(document)) == ["toy"]
    document["sweep"]["no_modality_encoder"] = "noise"
    assert data_used(parsed(document)) == ["toy", "point"]


def test_a_method_without_its_encoder_is_refused():
    declared = study(no_modality_encoder=None)
    with pytest.raises(UserError, match=r"^sweep\.no_modality_encoder: is missing, but no_modality needs it; name an encoder"):
        run_specs(declared, prints(study()))


@pytest.mark.parametrize("name", ["mae", "mae+labels", "random", "nothing"])
def test_an_encoder_that_has_seen_a_modality_is_refused(name):
    with pytest.raises(UserError) as caught:
        study(no_modality_encoder=name)
    sentence = f"without.yaml:37: sweep.no_modality_encoder: '{name}' is no encoder that was pretrained on noise"
    assert str(caught.value).startswith(sentence)
    assert "known: noise, random-labels, brackets" in str(caught.value)


def test_random_labels_after_real_samples_are_no_such_encoder():
    """It would go on from the target's own encoder, which is what own_lineage does."""
    document = yaml.safe_load(TEXT)
    document["encoders"]["random-labels"]["start"] = "mae"
    declared = parsed(document)
    assert not has_seen_no_modality(declared.encoders, "random-labels")
    assert not has_seen_no_modality({"file": FileSource(kind="file", paths={"image": "x"})}, "file")


def test_no_target_can_start_from_brackets():
    with pytest.raises(UserError, match=r"sweep\.target_encoder: 'brackets' is of kind procedural and has no tokenizer"):
        study(target_encoder="brackets")


def test_noise_has_no_labels_to_be_replaced():
    document = yaml.safe_load(TEXT)
    document["encoders"]["random-labels"]["data"] = "noise"
    with pytest.raises(UserError, match="noise has no true labels that could be replaced at random; leave labels out"):
        parsed(document)


def test_keys_of_encoders_without_a_modality_that_change_nothing_are_refused():
    refuse_unused_keys(study_with(), "x.yaml")
    for changes, sentence in (
        ({"methods": ["baseline", "pathway"]}, "sweep.no_modality_encoder: changes no run of this study, because none of"),
        ({"no_modality_encoder": "noise"}, "pretrain.procedural"),
    ):
        with pytest.raises(UserError) as caught:
            refuse_unused_keys(study_with(**changes), "x.yaml")
        assert sentence in str(caught.value)


def study_with(**sweep):
    document = yaml.safe_load(TEXT)
    document["sweep"] |= sweep
    for name in ("noise", "random-labels", "brackets"):
        if name != document["sweep"]["no_modality_encoder"]:
            del document["encoders"][name]
    del document["encoders"].get("brackets", {"steps": 0})["steps"]
    return parsed(document)

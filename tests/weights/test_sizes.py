"""The size of a model that an encoder's file has, in the place of a typed one."""

import json
import re
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from m2pt.config import ModelConfig, UserError
from m2pt.config.study_file import load_study
from pipelines.planning import study_file
from pipelines.planning.checking import check
from pipelines.planning.grid import run_specs
from pipelines.planning.plan import resolve
from tests.weights import files

STUDY = """
study: photos
model: %s
encoders: {vit: {kind: file, paths: {image: vit.pth}}%s}
sweep: {seeds: [0], targets: [audio], auxiliaries: [image], methods: [pathway], target_encoder: random, auxiliary_encoder: vit}
%s
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/audio").mkdir(parents=True)
    Path("data/audio/one.txt").write_text("x")
    torch.save(files.vit(width=128, depth=3), "vit.pth")


def study(model, more="", rest=""):
    Path("study.yaml").write_text(STUDY % (model, more, rest))
    return study_file.load("study.yaml")


def refused(model, more="", rest=""):
    with pytest.raises(UserError) as caught:
        study(model, more, rest)
    return str(caught.value)


def test_the_model_has_the_size_of_the_file_and_the_runs_are_those_of_a_typed_one():
    sized = study("{from: vit}")
    assert sized.model == ModelConfig(width=128, depth=3, heads=2)  # heads of width 64, which plan and check tell
    assert study("{from: vit, heads: 4}").model == ModelConfig(width=128, depth=3, heads=4)
    typed = study("{width: 128, depth: 3, heads: 2}")
    assert [spec.model_dump_json() for spec in resolve(sized).runs] == [spec.model_dump_json() for spec in resolve(typed).runs]
    assert "from" not in resolve(sized).runs[0].model_dump_json(by_alias=True)


def test_a_part_of_such_a_study_has_the_same_size():
    parts = "parts: [{name: usual}, {name: backwards, set: {pathway.order: reversed}}]"
    assert {spec.model.width for spec in resolve(study("{from: vit}", rest=parts)).runs} == {128}


def test_heads_that_are_known_need_no_word():
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), "tiny.safetensors")
    tiny = ", tiny: {kind: timm, name: vit_tiny_patch16_224, file: tiny.safetensors}"
    sweep = STUDY.replace("auxiliary_encoder: vit", "auxiliary_encoder: tiny").replace(
        "vit: {kind: file, paths: {image: vit.pth}}, ", ""
    )
    text = (sweep % ("{from: tiny}", tiny, "")).replace("{vit: {kind: file, paths: {image: vit.pth}}, ", "{")
    Path("study.yaml").write_text(text)
    assert study_file.load("study.yaml").model == ModelConfig(width=192, depth=12, heads=3)
    Path("study.yaml").write_text(text.replace("{from: tiny}", "{from: tiny, heads: 6}"))
    with pytest.raises(
        UserError, match=r"study.yaml:3: model\.heads: 6 is set, and there are 3 \(timm's vit_tiny_patch16_224\); corr"
    ):
        study_file.load("study.yaml")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("{from: vit, width: 128}", r"model\.width: is that of the encoder vit \(from\); leave one of them out"),
        (
            "{from: mine}",
            r"model\.from: 'mine' must name an encoder whose weights exist already, of kind file, timm or run \(known: v",
        ),
        ("{from: vit, heads: 3}", r"model\.heads: 3 does not divide the width \(128\)"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_its_key(model, told):
    assert re.search(f"study.yaml:3: {told}", refused(model))


def test_weights_that_are_missing_are_said_with_all_else_that_is_wrong():
    Path("vit.pth").unlink()
    Path("study.yaml").write_text(STUDY % ("{from: vit}", "", "rivals: {mix: 0.3}"))
    sentences = [fault.sentence for fault in check(Path("study.yaml")).faults]
    assert any("encoders.vit.paths.image: vit.pth does not exist" in sentence for sentence in sentences)
    assert any("rivals.mix" in sentence for sentence in sentences)
    assert not any("width" in sentence for sentence in sentences)


def test_weights_that_cannot_be_read_are_told_at_their_key():
    Path("vit.pth").write_bytes(b"<html>")
    assert "encoders.vit.paths.image: vit.pth: is not a file of weights" in refused("{from: vit}")
    Path("study.yaml").write_text(STUDY % ("{from: ours}", ", ours: {kind: run, runs: {image: nowhere}}", ""))
    with pytest.raises(UserError, match=r"encoders\.ours\.runs\.image: nowhere is no finished run; correct the folder"):
        study_file.load("study.yaml")


def test_a_width_without_usual_heads_is_asked_for():
    torch.save(files.vit(), "vit.pth")
    assert "model.heads: the width is 24, and nothing says how many heads there are; set it" in refused("{from: vit}")
    Path("config.json").write_text(json.dumps({"model_type": "bert"}))  # of something else
    assert study("{from: vit, heads: 3}").model.heads == 3


def test_a_size_that_was_not_looked_up_makes_no_run():
    study("{from: vit}")
    from pipelines.planning.run_maker import Fingerprints

    with pytest.raises(ValueError, match=r"model\.from: the size of vit has not been looked up"):
        run_specs(load_study("study.yaml"), Fingerprints({"audio": "a"}, {}))

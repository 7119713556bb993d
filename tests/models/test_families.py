"""The declared family of encoders: a default that no id shows, and what a pathway and files of weights need to know of it."""

import pytest
from torch import nn

from m2pt.config import LAYERS_OF, ModelConfig, UserError
from m2pt.config.study_file import parse_study
from m2pt.joining.joinable import layers_of
from m2pt.models.families import FAMILIES, build_blocks, family_of
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.weights.content import Content
from m2pt.weights.recognition import fitting
from tests.specs import MODEL, run_spec
from tests.weights import files

DOWN = {"downsample.0"}
"""What is between the stages of a ConvNet, and belongs to the target."""


def test_the_default_family_is_no_part_of_an_id_and_is_read_from_records_without_it():
    spec = run_spec()
    declared = spec.model_copy(update={"model": ModelConfig(family="vit", **MODEL.model_dump())})
    assert run_id(declared) == run_id(spec)
    assert "family" not in spec.model_dump(mode="json")["model"]
    assert RunSpec.model_validate_json(spec.model_dump_json()).model.family == "vit"


def test_an_unknown_family_is_refused_with_the_known_ones():
    text = "study: a\nencoders: {mae: {kind: mae}}\nsweep: {seeds: [0]}\nmodel: {family: convnet}\n"
    with pytest.raises(UserError, match=r"^a\.yaml:\d+: model\.family: must be vit or unireplknet \(got \"convnet\"\)\.$"):
        parse_study(text, "a.yaml")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_joinable_layers_are_all_layers_of_a_block_and_a_study_can_name_them(name):
    config = MODEL.model_copy(update={"family": name})
    for block in build_blocks(config):
        assert set(layers_of(block, family_of(config).joinable)) == set(layers_of(block, None)) - DOWN
        assert {layer for layer, part in block.named_modules() if isinstance(part, nn.Linear)} == set(family_of(config).linear)
    assert family_of(config).joinable == LAYERS_OF[name]


def test_a_file_has_none_but_the_layouts_of_the_family(tmp_path):
    content = Content(tmp_path / "vit.pth", "pytorch", files.vit())
    assert [layout.name for layout in fitting(content, FAMILIES["vit"].layouts)] == ["timm"]
    with pytest.raises(
        UserError, match=r"is a ViT of timm, .*, which is not among m2pt-unireplknet, the layouts of this model\.family"
    ):
        fitting(content, FAMILIES["unireplknet"].layouts)

"""Weights that do not fit are refused in one sentence that names the file and the keys."""

import pytest
import torch

from m2pt.config import AudioInput, ImageInput, ModelConfig, PointInput, UserError, VideoInput
from m2pt.models.model import Model
from m2pt.weights.reading import load_encoder, read_encoder
from m2pt.weights.saved import save_weights
from tests.weights import files

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4)
AUDIO = AudioInput(form="published", frames=32, mels=16, patch=4)
VIDEO = VideoInput(form="published", frames=4, size=12, channels=3, tubelet=2, patch=4)
POINT = PointInput(form="published", points=20, groups=20, neighbours=6)


def refusal(path, content, modality="image", config=IMAGE, model=MODEL, **options):
    torch.save(content, path)
    with pytest.raises(UserError) as caught:
        read_encoder(path, modality, config, model, **options)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_missing_unknown_and_misshapen_keys_are_listed_together(tmp_path):
    tensors = files.vit()
    del tensors["blocks.1.attn.qkv.bias"], tensors["cls_token"]
    tensors["blocks.0.ls1.gamma"] = torch.ones(24)
    tensors["reg_token"] = torch.ones(1, 4, 24)
    tensors["blocks.0.mlp.fc2.bias"] = torch.ones(7)
    sentence = refusal(tmp_path / "odd.pth", tensors)
    assert "missing blocks.1.attn.qkv.bias; missing tokenizer.class_token" in sentence
    assert "not known blocks.0.ls1.gamma; not known reg_token" in sentence
    assert "blocks.0.mlp.fc2.bias is (7,) instead of (24,)" in sentence


def test_a_layout_that_has_biases_is_not_filled_with_zeros(tmp_path):
    tensors = {name: tensor for name, tensor in files.vit().items() if not name.endswith("qkv.bias")}
    assert "missing blocks.0.attn.qkv.bias; missing blocks.1.attn.qkv.bias" in refusal(tmp_path / "vit.pth", tensors)
    video = {name: tensor for name, tensor in files.videomae().items() if name != "encoder.blocks.1.attn.v_bias"}
    sentence = refusal(tmp_path / "videomae.pth", {"model": video}, "video", VIDEO)
    assert "missing blocks.1.attn.qkv.bias" in sentence
    assert "not expected blocks.1.attn.q_bias" in sentence
    point = files.point_mae()
    point["base_model"]["module.MAE_encoder.blocks.blocks.1.attn.qkv.bias"] = torch.ones(72)
    assert "missing blocks.0.attn.qkv.bias" in refusal(tmp_path / "point.pth", point, "point", POINT)


def test_a_final_norm_is_only_missing_where_nothing_stands_in_its_place(tmp_path):
    tensors = {name: tensor for name, tensor in files.vit().items() if not name.startswith("norm.")}
    assert "missing norm.bias; missing norm.weight" in refusal(tmp_path / "vit.pth", tensors)
    torch.save(tensors | {"fc_norm.weight": torch.ones(24), "fc_norm.bias": torch.ones(24)}, tmp_path / "finetuned.pth")
    found = read_encoder(tmp_path / "finetuned.pth", "image", IMAGE, MODEL)
    assert found.ignored == ("fc_norm.bias", "fc_norm.weight")
    load_encoder(Model("image", IMAGE, MODEL, 5), found, "finetuned")
    with pytest.raises(UserError, match=r"^finetuned: does not fit the model: missing norm\.bias; missing norm\.weight\.$"):
        load_encoder(Model("image", IMAGE, MODEL, 5, head="class_token"), found, "finetuned")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"depth": 3}, "has depth 2, model.depth is 3"),
        ({"depth": 1}, "has depth 2, model.depth is 1"),
        ({"width": 48}, "has width 24, model.width is 48"),
        ({"mlp_ratio": 2.0}, "has mlp_ratio 4, model.mlp_ratio is 2"),
        ({"qkv_bias": False}, "has biases in attn.qkv and model.qkv_bias is false"),
    ],
)
@pytest.mark.parametrize("parts", ["all", "blocks"])
def test_other_sizes(tmp_path, change, told, parts):
    assert told in refusal(tmp_path / "vit.pth", files.vit(), model=MODEL.model_copy(update=change), parts=parts)


@pytest.mark.parametrize(
    ("content", "modality", "config", "parts", "told"),
    [
        (files.mae(), "audio", AUDIO, "blocks", "is MAE (facebookresearch/mae), which is of the modality image"),
        (files.mae(channels=1, places=32), "image", IMAGE, "blocks", "which is of the modality audio, and an encoder for image"),
        ({"model": files.videomae()}, "image", IMAGE, "all", "which is of the modality video"),
        (files.point_mae(), "video", VIDEO, "all", "which is of the modality point"),
        (files.vit(), "audio", AUDIO, "all", "or use this one as an auxiliary, which needs no tokenizer"),
        (files.mae(channels=1), "image", IMAGE, "all", "its patches are 1×4×4 (channels first), those of the input are 3×4×4"),
        (files.mae(patch=8), "image", IMAGE, "all", "its patches are 3×8×8"),
        (
            files.mae(places=15),
            "image",
            IMAGE,
            "all",
            "cannot be resized to 4 × 4 patches with a class token: 15 places do not fill a square",
        ),
        (files.mae(), "image", ImageInput(channels=3), "all", "set inputs.image.form to published"),
    ],
)
def test_other_modalities_patches_and_grids(tmp_path, content, modality, config, parts, told):
    assert told in refusal(tmp_path / "file.pth", content, modality, config, parts=parts)


def test_unknown_layouts_and_names_that_appear_twice(tmp_path):
    strange = {"vit.encoder.layer.0.attention.query.weight": torch.ones(2, 2)}
    assert "its keys (vit.encoder.layer.0.attention.query.weight, ...) belong to no layout" in refusal(
        tmp_path / "a.pth", strange
    )
    twice = files.vit() | {"module.norm.bias": torch.ones(24)}
    assert "norm.bias and module.norm.bias are both norm.bias" in refusal(tmp_path / "b.pth", twice)
    beside = files.point_mae()
    beside["base_model"]["module.teacher.weight"] = torch.ones(2)
    assert "not known module.teacher.weight" in refusal(tmp_path / "c.pth", beside, "point", POINT)


def test_values_that_are_not_finite(tmp_path):
    tensors = files.vit()
    tensors["blocks.1.mlp.fc1.weight"][3, 4] = torch.nan
    assert "blocks.1.mlp.fc1.weight holds values that are not finite" in refusal(tmp_path / "nan.pth", tensors)


def test_an_own_encoder_of_the_other_form(tmp_path):
    save_weights(tmp_path / "own.safetensors", Model("image", ImageInput(size=16, channels=3, patch=4), MODEL, 5))
    with pytest.raises(UserError, match=r"missing tokenizer\.class_token; missing tokenizer\.positions"):
        read_encoder(tmp_path / "own.safetensors", "image", IMAGE, MODEL)

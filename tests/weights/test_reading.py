"""Encoders from files of every published layout compute what an independent implementation of that layout computes."""

from collections import OrderedDict

import pytest
import timm
import torch
from safetensors.torch import save_file

from m2pt.config import AudioInput, ImageInput, ModelConfig, PointInput, Reading, UserError, VideoInput
from m2pt.models.model import Model
from m2pt.weights.reading import load_encoder, read_encoder
from m2pt.weights.saved import load_into, save_weights
from tests.weights import files, plain

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
AUDIO = AudioInput(form="published", frames=32, mels=16, patch=4, mean=-4.0, std=9.0)
VIDEO = VideoInput(
    form="published", frames=4, size=12, channels=3, tubelet=2, patch=4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)
)
POINT = PointInput(form="published", points=20, groups=20, neighbours=6)
INPUTS = {"image": IMAGE, "audio": AUDIO, "video": VIDEO, "point": POINT}


def samples(modality):
    generator = torch.Generator().manual_seed(1)
    shape = {"image": (3, 16, 16), "audio": (1, 32, 16), "video": (3, 4, 12, 12), "point": (20, 3)}[modality]
    x = torch.rand(3, *shape, generator=generator)
    return x * 2 - 1 if modality == "point" else x * 10 - 9 if modality == "audio" else x


def normalised(x, modality):
    config = INPUTS[modality]
    if modality == "audio":
        return (x - config.mean) / config.std
    shape = (1, 3) + (1,) * (x.ndim - 2)
    return (x - torch.tensor(config.mean).view(shape)) / torch.tensor(config.std).view(shape)


def loaded(path, modality, head="mean"):
    """A model with the weights of a file, and random values in what is fresh, so that nothing is hidden by ones and zeros."""
    torch.manual_seed(5)
    model = Model(modality, INPUTS[modality], MODEL, 5, head=head)
    load_encoder(model, read_encoder(path, modality, INPUTS[modality], MODEL), str(path))
    with torch.no_grad():
        for parameter in model.fc_norm.parameters():
            parameter.normal_()
    return model.eval()


def assert_same(ours, expected):
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def assert_pooled(model, x, tokens):
    """Features, and average pooling, norm and linear layer, from the tokens (B, N, D) of an independent implementation."""
    assert_same(model.features(x).last_BND, tokens)
    pooled = plain.norm(tokens.mean(1), model.fc_norm.weight, model.fc_norm.bias, 1e-6)
    assert_same(model(x), pooled @ model.head.weight.T + model.head.bias)


@torch.no_grad()
def assert_class_token(path, tensors, x):
    """The class token after the final norm."""
    expected = plain.norm(plain.vit(tensors, normalised(x, "image"))[:, 0], tensors["norm.weight"], tensors["norm.bias"], 1e-6)
    assert_same(loaded(path, "image", "class_token").features(x).taps[-1][:, 0], expected)


def test_mae(tmp_path):
    content = files.mae()
    torch.save(content, tmp_path / "mae.pth")
    x = samples("image")
    assert_pooled(loaded(tmp_path / "mae.pth", "image"), x, plain.vit(content["model"], normalised(x, "image"))[:, 1:])
    assert_class_token(tmp_path / "mae.pth", content["model"], x)
    found = read_encoder(tmp_path / "mae.pth", "image", IMAGE, MODEL)
    assert found.layout == "mae"
    assert {"mask_token", "decoder_blocks.0.attn.qkv.weight", "decoder_pred.bias", "args", "optimizer", "epoch"} <= set(
        found.ignored
    )
    assert found.filled == found.fresh == ()


def test_audiomae(tmp_path):
    content = files.mae(channels=1, places=32)
    torch.save(content, tmp_path / "audiomae.pth")
    x = samples("audio")
    tokens = plain.vit(content["model"], normalised(x, "audio"))
    assert_pooled(loaded(tmp_path / "audiomae.pth", "audio"), x, tokens[:, 1:])
    assert read_encoder(tmp_path / "audiomae.pth", "audio", AUDIO, MODEL).layout == "audiomae"


@pytest.mark.parametrize(
    ("wrapper", "pretraining", "prefix"),
    [
        ("model", True, ""),
        ("module", False, ""),
        ("model", False, "backbone."),
        (None, False, "_orig_mod."),
        ("model", False, "encoder."),
    ],
)
def test_videomae(tmp_path, wrapper, pretraining, prefix):
    tensors = files.videomae(pretraining=pretraining, prefix=prefix)
    torch.save({wrapper: tensors, "epoch": 1599} if wrapper else tensors, tmp_path / "videomae.pth")
    x = samples("video")
    inner = prefix + ("encoder." if pretraining else "")
    assert_pooled(loaded(tmp_path / "videomae.pth", "video"), x, plain.videomae(tensors, normalised(x, "video"), inner))
    found = read_encoder(tmp_path / "videomae.pth", "video", VIDEO, MODEL)
    assert found.layout == "videomae"
    query, key, value = found.tensors["blocks.1.attn.qkv.bias"].split(files.WIDTH)
    assert torch.equal(query, tensors[f"{inner}blocks.1.attn.q_bias"])
    assert torch.equal(value, tensors[f"{inner}blocks.1.attn.v_bias"])
    assert not key.any()
    assert found.filled == ("blocks.0.attn.k_bias", "blocks.1.attn.k_bias")
    assert found.fresh == ("tokenizer.positions",)


def test_videomae_with_positions_of_its_own_and_of_another_size(tmp_path):
    tensors = files.videomae(pretraining=False)
    stored = torch.randn(1, 2 * 3 * 3, files.WIDTH, generator=torch.Generator().manual_seed(1))
    torch.save({"module": {**tensors, "pos_embed": stored}}, tmp_path / "videomae.pth")
    model = loaded(tmp_path / "videomae.pth", "video")
    assert torch.equal(model.tokenizer.positions, stored[0])
    larger = VIDEO.model_copy(update={"frames": 2 * VIDEO.frames, "size": 2 * VIDEO.size})
    with pytest.raises(UserError, match=r"fit many grids; .* or set encoders\.NAME\.reading\.video\.grid to the grid"):
        read_encoder(tmp_path / "videomae.pth", "video", larger, MODEL)
    found = read_encoder(tmp_path / "videomae.pth", "video", larger, MODEL, reading=Reading(grid=(2, 3, 3)))
    assert (found.resampled.old, found.resampled.new) == ((2, 3, 3), (4, 6, 6))
    grid = stored[0].T.reshape(1, files.WIDTH, 2, 3, 3)
    expected = torch.nn.functional.interpolate(grid, size=(4, 6, 6), mode="trilinear", align_corners=False)
    assert torch.equal(found.tensors["tokenizer.positions"], expected.flatten(2)[0].T)


@pytest.mark.parametrize(
    ("prefix", "class_token"), [("module.MAE_encoder.", False), ("MAE_encoder.", False), ("module.", True), ("", True)]
)
def test_point_mae(tmp_path, prefix, class_token):
    content = files.point_mae(prefix=prefix, class_token=class_token)
    torch.save(content, tmp_path / "point.pth")
    x = samples("point")
    # As many groups as points: the tokens are the same whichever point farthest-point sampling starts from, in another order.
    model = loaded(tmp_path / "point.pth", "point", "class_token")
    tokenizer, tensors = model.tokenizer, content["base_model"]
    if class_token:
        assert torch.equal(tokenizer.class_token, tensors[f"{prefix}cls_token"].flatten())
        assert torch.equal(tokenizer.class_position, tensors[f"{prefix}cls_pos"].flatten())
    with torch.no_grad():
        expected = plain.point_mae(tensors, x, 6, prefix, tokenizer.class_token, tokenizer.class_position)
        features = model.features(x)
    assert_same(features.taps[-1][:, 0], expected[:, 0])
    assert_same(features.last_BND.amax(1), expected[:, 1:].amax(1))
    assert_same(features.last_BND.mean(1), expected[:, 1:].mean(1))
    found = read_encoder(tmp_path / "point.pth", "point", POINT, MODEL)
    assert found.layout == "point-mae"
    assert found.filled == ("blocks.0.attn.qkv.bias", "blocks.1.attn.qkv.bias")
    assert found.fresh == (() if class_token else ("tokenizer.class_token", "tokenizer.class_position"))
    assert not found.tensors["blocks.0.attn.qkv.bias"].any()


def test_point_mae_into_an_encoder_without_biases(tmp_path):
    torch.save(files.point_mae(), tmp_path / "point.pth")
    config = MODEL.model_copy(update={"qkv_bias": False})
    found = read_encoder(tmp_path / "point.pth", "point", POINT, config)
    assert found.filled == ()
    load_encoder(Model("point", POINT, config, 5, head="class_token"), found, "file")


@pytest.mark.parametrize("wrapper", [None, "module", "state_dict"])
def test_the_zoo(tmp_path, wrapper):
    tensors = files.vit() | {"head.weight": torch.ones(5, files.WIDTH), "head.bias": torch.ones(5)}
    torch.save(OrderedDict({wrapper: tensors}) if wrapper else OrderedDict(tensors), tmp_path / "zoo.pth")
    x = samples("image")
    assert_pooled(loaded(tmp_path / "zoo.pth", "image"), x, plain.vit(tensors, normalised(x, "image"))[:, 1:])
    assert_class_token(tmp_path / "zoo.pth", tensors, x)
    found = read_encoder(tmp_path / "zoo.pth", "image", IMAGE, MODEL)
    assert found.layout == ("m2pt-zoo" if wrapper else "timm")
    assert found.ignored == ("head.bias", "head.weight")


@torch.no_grad()
@pytest.mark.parametrize("form", ["pickled module", "pytorch_model.bin", "model.safetensors"])
def test_a_real_vit_of_timm(tmp_path, form):
    torch.manual_seed(0)
    vit = timm.models.VisionTransformer(
        img_size=16, patch_size=4, embed_dim=files.WIDTH, depth=files.DEPTH, num_heads=files.HEADS, num_classes=7
    )
    for parameter in vit.parameters():
        parameter.normal_(std=0.2)
    path = tmp_path / "vit"
    path.mkdir()
    if form == "pickled module":
        torch.save(vit, path / "whole.pth")
    elif form == "pytorch_model.bin":
        torch.save(vit.state_dict(), path / form)
    else:
        save_file(vit.state_dict(), path / form)
    x = samples("image")
    model = loaded(path, "image", "class_token")
    assert_same(model.features(x).taps[-1], vit.eval().forward_features(normalised(x, "image")))
    assert read_encoder(path, "image", IMAGE, MODEL).layout == ("m2pt-zoo" if form == "pickled module" else "timm")


@torch.no_grad()
@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_an_encoder_of_this_project(tmp_path, modality):
    torch.manual_seed(0)
    model = Model(modality, INPUTS[modality], MODEL, 5, head="class_token").eval()
    save_weights(tmp_path / "own.safetensors", model)
    x = samples(modality)
    other = loaded(tmp_path / "own.safetensors", modality, "class_token")
    load_encoder(model, read_encoder(tmp_path / "own.safetensors", modality, INPUTS[modality], MODEL), "own")
    assert torch.equal(other.features(x).taps[-1], model.features(x).taps[-1])


def test_an_encoder_of_the_shared_form(tmp_path):
    config = ImageInput()
    model = Model("image", config, MODEL, 5)
    save_weights(tmp_path / "own.safetensors", model)
    found = read_encoder(tmp_path / "own.safetensors", "image", config, MODEL)
    other = Model("image", config, MODEL, 5)
    load_into(other.tokenizer, found.tensors, "tokenizer.", "own")
    load_into(other.blocks, found.tensors, "blocks.", "own")
    assert torch.equal(other.tokenizer.projection.weight, model.tokenizer.projection.weight)
    assert set(found.ignored) == {"fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias"}


def test_an_auxiliary_needs_only_blocks_of_any_tokenizer(tmp_path):
    torch.save(files.vit(), tmp_path / "zoo.pth")
    found = read_encoder(tmp_path / "zoo.pth", "audio", None, MODEL, parts="blocks")
    assert len(found.tensors) == 12 * files.DEPTH
    assert all(name.startswith("blocks.") for name in found.tensors)
    assert {"tokenizer.positions", "norm.bias"} <= set(found.ignored)


def test_half_precision_becomes_single(tmp_path):
    tensors = {name: tensor.half() for name, tensor in files.vit().items()}
    torch.save(tensors, tmp_path / "half.pth")
    found = read_encoder(tmp_path / "half.pth", "image", IMAGE, MODEL)
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float32}
    assert torch.equal(found.tensors["norm.bias"], tensors["norm.bias"].float())


@torch.no_grad()
def test_positions_of_another_size_are_interpolated_and_said(tmp_path):
    content = files.mae(places=9)
    torch.save(content, tmp_path / "small.pth")
    found = read_encoder(tmp_path / "small.pth", "image", IMAGE, MODEL)
    assert found.facts()["positions"] == "from 3 × 3 to 4 × 4 places, interpolated bicubically"
    given = content["model"]["pos_embed"]
    grid = given[:, 1:].reshape(1, 3, 3, files.WIDTH).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(4, 4), mode="bicubic", align_corners=False)
    positions = torch.cat([given[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
    x = samples("image")
    tokens = plain.vit(content["model"], normalised(x, "image"), positions)
    assert_pooled(loaded(tmp_path / "small.pth", "image"), x, tokens[:, 1:])

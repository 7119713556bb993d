"""A file is recognised by what defines its layout: kin that shares some keys is not taken for it, and what is open is asked."""

import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file

from m2pt.config import AudioInput, ImageInput, ModelConfig, Reading, UserError, VideoInput
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import read_encoder
from tests.weights import files

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4)
AUDIO = AudioInput(form="published", frames=32, mels=16, patch=4)
VIDEO = VideoInput(form="published", frames=4, size=12, channels=3, tubelet=2, patch=4)
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": files.WIDTH, "depth": files.DEPTH, "num_heads": files.HEADS}
HUGGING = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "image_size": 16}


def refused(path, tensors, modality, config, parts="all", **reading):
    torch.save(tensors, path)
    with pytest.raises(UserError) as caught:
        read_encoder(path, modality, config, MODEL, parts=parts, reading=Reading(**reading), source="mine")
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.endswith(".")
    return sentence


def blocks(tensors):
    return {name: tensor for name, tensor in tensors.items() if "blocks." in name}


def beit():
    return timm.models.Beit(**SMALL, use_rel_pos_bias=True, init_values=0.1).state_dict()


@pytest.mark.parametrize("parts", ["all", "blocks"])
def test_timms_own_beit_is_no_videomae(tmp_path, parts):
    assert "blocks.0.attn.q_bias" in beit()
    sentence = refused(tmp_path / "beit.pth", {"model": beit()}, "video", VIDEO, parts)
    assert "is BEiT or a kin of it (relative position biases), which m2pt does not read" in sentence
    plain = {name: tensor for name, tensor in beit().items() if "relative_position" not in name}
    assert "is one with layer scale (BEiT, DINOv2)" in refused(tmp_path / "beit.pth", plain, "video", VIDEO, parts)
    bare = {name: tensor for name, tensor in plain.items() if "gamma" not in name}
    for modality, config in {"video": VIDEO, "image": IMAGE}.items():
        sentence = refused(tmp_path / "beit.pth", bare, modality, config, parts)
        assert "is an image model without biases of keys" in sentence
        sentence = refused(tmp_path / "beit.pth", bare, modality, config, parts, layout="videomae")
        assert "encoders.mine.reading" in sentence
        assert "is videomae; correct or remove that key" in sentence


def test_blocks_that_could_be_videomaes_or_beits_are_asked_for(tmp_path):
    tensors = blocks(files.videomae(pretraining=False))
    sentence = refused(tmp_path / "blocks.pth", tensors, "video", None, "blocks")
    assert "could be VideoMAE's blocks or BEiT's" in sentence
    assert "set encoders.mine.reading.video.layout to videomae" in sentence
    found = read_encoder(tmp_path / "blocks.pth", "video", None, MODEL, parts="blocks", reading=Reading(layout="videomae"))
    assert torch.equal(found.tensors["blocks.1.attn.qkv.bias"][:24], tensors["blocks.1.attn.q_bias"])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: timm.create_model("vit_small_patch14_dinov2", img_size=28, depth=2).state_dict(), "one with layer scale"),
        (lambda: timm.create_model("deit_tiny_distilled_patch16_224", img_size=32).state_dict(), "two class tokens"),
        (lambda: timm.models.VisionTransformer(**SMALL, reg_tokens=4).state_dict(), "an encoder with registers"),
    ],
)
def test_a_vit_of_timm_with_more_than_a_vit_is_named_for_what_it_is(tmp_path, make, told):
    torch.save(tensors := make(), tmp_path / "vit.pth")
    width, depth = tensors["blocks.0.norm1.weight"].numel(), sum(name.endswith("norm1.weight") for name in tensors)
    ratio = tensors["blocks.0.mlp.fc1.weight"].shape[0] / width
    patch = tensors["patch_embed.proj.weight"].shape[-1]
    image = ImageInput(form="published", size=2 * patch, channels=3, patch=patch)
    with pytest.raises(UserError, match=f"it looks like .*{told}"):
        read_encoder(tmp_path / "vit.pth", "image", image, ModelConfig(width=width, depth=depth, heads=1, mlp_ratio=ratio))


@pytest.mark.parametrize(
    ("model", "config", "told"),
    [
        ("BeitModel", "BeitConfig", "layer scale"),
        ("Dinov2Model", "Dinov2Config", "layer scale"),
    ],
)
def test_other_models_of_hugging_face_are_named(tmp_path, model, config, told):
    made = getattr(transformers, model)(getattr(transformers, config)(**HUGGING, patch_size=4))
    made.save_pretrained(tmp_path / "folder")
    for path, tensors in ((tmp_path / "folder", None), (tmp_path / "state.pth", made.state_dict())):
        if tensors is not None:
            torch.save(tensors, path)
        with pytest.raises(UserError, match=f"is .*{told}.* which m2pt does not read"):
            read_encoder(path, "image", IMAGE, MODEL)


def test_a_vit_under_model_is_maes_or_timms_where_that_makes_no_difference(tmp_path):
    path = tmp_path / "vit.pth"
    tensors = files.vit()
    for wrapper, fits in {
        "model": ("mae", "timm"),
        "model_ema": ("mae", "timm"),
        "ema": ("timm",),
        "model_state_dict": ("timm",),
        "state_dict": ("m2pt-zoo",),
        "module": ("m2pt-zoo",),
    }.items():
        torch.save({wrapper: tensors}, path)
        assert inspect(path).fits == fits
        if fits != ("m2pt-zoo",):  # whose files of other modalities have this form too
            assert "is of the modality image" in refused(path, {wrapper: tensors}, "audio", None, "blocks")
    torch.save({"model": tensors}, path)
    found = read_encoder(path, "image", IMAGE, MODEL)
    assert torch.equal(found.tensors["tokenizer.positions"], tensors["pos_embed"][0])
    assert "is of the modality image" in refused(path, {"model": tensors}, "audio", None, "blocks")


def test_where_it_makes_a_difference_the_study_decides(tmp_path):
    path = tmp_path / "vit.pth"
    large = IMAGE.model_copy(update={"size": 24})
    sentence = refused(path, {"model": files.vit()}, "image", large)
    assert "could be MAE (facebookresearch/mae) and a ViT of timm" in sentence
    assert sentence.endswith("set encoders.mine.reading.image.layout to mae or timm.")
    ways = {
        layout: read_encoder(path, "image", large, MODEL, reading=Reading(layout=layout)).tensors["tokenizer.positions"]
        for layout in ("mae", "timm")
    }
    assert not torch.equal(ways["mae"], ways["timm"])
    # Positions that are the fixed code are MAE's: timm's are learned.
    coded = files.vit() | {"pos_embed": files.vit()["pos_embed"].clone()}
    place = torch.arange(4.0)
    omega = 1 / 10000 ** (torch.arange(6) / 6)
    angles = [place.repeat(4)[:, None] * omega, place.repeat_interleave(4)[:, None] * omega]
    coded["pos_embed"][0, 1:] = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    torch.save({"model": coded}, path)
    assert inspect(path).fits == ("mae",)
    assert read_encoder(path, "image", large, MODEL).layout == "mae"


def test_one_channel_is_of_sounds_or_of_grey_pictures_as_the_study_says(tmp_path):
    torch.save(files.mae(channels=1, places=16), tmp_path / "mae.pth")
    assert inspect(tmp_path / "mae.pth").fits == ("mae", "audiomae")
    grey = IMAGE.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    assert read_encoder(tmp_path / "mae.pth", "image", grey, MODEL).layout == "mae"
    short = AUDIO.model_copy(update={"frames": 16})
    assert read_encoder(tmp_path / "mae.pth", "audio", short, MODEL).layout == "audiomae"
    torch.save(files.mae(channels=1, places=32), tmp_path / "audiomae.pth")
    assert inspect(tmp_path / "audiomae.pth").fits == ("audiomae",)  # MAE's positions are those of a square


def test_clips_with_other_attention_or_a_class_token_are_no_videomae(tmp_path):
    video = files.videomae(pretraining=False)
    whole = {name: tensor for name, tensor in video.items() if not name.endswith(("q_bias", "v_bias"))}
    whole |= {f"blocks.{index}.attn.qkv.bias": torch.ones(72) for index in range(2)}
    assert "belong to no layout that m2pt reads" in refused(tmp_path / "video.pth", whole, "video", VIDEO)
    with_class = video | {"cls_token": torch.ones(1, 1, 24)}
    assert "belong to no layout that m2pt reads" in refused(tmp_path / "video.pth", with_class, "video", VIDEO)
    assert "MAE for clips" in refused(
        tmp_path / "video.pth", with_class | {"pos_embed_spatial": torch.ones(9, 24)}, "video", VIDEO
    )


@pytest.mark.parametrize("layout", ["timm", "m2pt-zoo", "hf-vit", "m2pt", "point-mae", "audiomae"])
def test_a_wrong_layout_is_refused_with_its_key(tmp_path, layout):
    sentence = refused(tmp_path / "mae.pth", files.mae(), "image", IMAGE, layout=layout)
    assert "is MAE (facebookresearch/mae), and encoders.mine.reading.image.layout is" in sentence


def test_a_part_of_an_encoder_is_none_and_depth_is_not_advised(tmp_path):
    tensors = files.vit(depth=4)
    second = {name: tensor for name, tensor in tensors.items() if name.startswith(("blocks.2", "blocks.3", "norm"))}
    assert "holds blocks 2 to 3 and not the first ones, so it is a part" in refused(tmp_path / "part", second, "image", IMAGE)
    gap = {name: tensor for name, tensor in tensors.items() if not name.startswith("blocks.1.")}
    assert "has 3 blocks up to number 3 and lacks 1, so it is a part" in refused(tmp_path / "part", gap, "image", IMAGE, "blocks")
    first = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(("blocks.1", "blocks.2", "blocks.3", "norm"))
    }
    sentence = refused(tmp_path / "part", first, "image", IMAGE, "blocks")
    assert "has depth 1, model.depth is 2" in sentence
    assert "set it" not in sentence
    assert "may be a part of an encoder; name the complete file" in sentence


def test_adapters_are_to_be_merged_first(tmp_path):
    save_file(files.vit() | {"blocks.0.attn.qkv.lora_A.default.weight": torch.ones(2, 24)}, tmp_path / "lora.safetensors")
    with pytest.raises(UserError, match=r"it looks like a model with low-rank adapters \(merge them first"):
        read_encoder(tmp_path / "lora.safetensors", "image", IMAGE, MODEL)

"""Encoders of Hugging Face's transformers: features equal those of the library itself, in the names of both its versions."""

import json

import pytest
import torch
import transformers

from m2pt.config import ImageInput, ModelConfig, UserError, VideoInput
from m2pt.models.model import Model
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import load_encoder, read_encoder
from m2pt.weights.shards import weights_sha256

MODEL = ModelConfig(width=24, depth=2, heads=3)
PLAIN = {"mean": (0.0,), "std": (1.0,)}
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4, **PLAIN)
VIDEO = VideoInput(form="published", frames=4, size=16, channels=3, tubelet=2, patch=4, **PLAIN)
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "image_size": 16}
DECODER = {
    "decoder_hidden_size": 24, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 3, "decoder_intermediate_size": 48,
}  # fmt: skip


def randomised(model):
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + ("norm" in name and name.endswith("weight")))
    return model.eval()


def kept(model, tmp_path, how):
    """A file of the model: as the library writes it (names of version 4), or its state (names of version 5)."""
    if how == "folder":
        model.save_pretrained(tmp_path / "model")
        return tmp_path / "model"
    torch.save(model.state_dict() if how == "state" else {"state_dict": model.state_dict()}, tmp_path / "model.pth")
    return tmp_path / "model.pth"


def loaded(path, modality, config):
    model = Model(modality, config, MODEL, 5, head="class_token" if modality == "image" else "mean").double()
    found = read_encoder(path, modality, config, MODEL)
    load_encoder(model, found, str(path))
    return model.eval(), found


@torch.no_grad()
@pytest.mark.parametrize("how", ["folder", "state", "wrapped"])
@pytest.mark.parametrize("name", ["ViTModel", "ViTForImageClassification", "ViTMAEForPreTraining", "ViTMSNModel"])
def test_a_vit(tmp_path, name, how):
    family = name.removesuffix("Model").removesuffix("ForImageClassification").removesuffix("ForPreTraining")
    more = DECODER | {"mask_ratio": 0.0} if family == "ViTMAE" else {}
    config = getattr(transformers, f"{family}Config")(**SIZES, patch_size=4, **more)
    theirs = getattr(transformers, name)(config).eval() if how == "folder" else randomised(getattr(transformers, name)(config))
    ours, found = loaded(kept(theirs, tmp_path, how), "image", IMAGE)
    assert found.layout == "hf-vit"
    assert found.filled == found.fresh == ()
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    # ViTMAE's encoder is a ViT whose patches it shuffles: the plain one computes the same.
    encoder = transformers.ViTModel(
        transformers.ViTConfig(**SIZES, patch_size=4, layer_norm_eps=config.layer_norm_eps if how == "folder" else 1e-12),
        add_pooling_layer=False,
    )
    inner = getattr(theirs, "vit", theirs)
    encoder.load_state_dict({key: value for key, value in inner.state_dict().items() if not key.startswith("pooler.")})
    expected = encoder.double().eval()(x).last_hidden_state
    if name == "ViTModel":  # its own forward pass; of the state of a ViTMSN nothing tells that its norms have another epsilon
        torch.testing.assert_close(theirs.double()(x).last_hidden_state, expected)
    torch.testing.assert_close(ours.features(x).taps[-1], expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [24, 12])
def test_a_vit_at_another_size_as_the_library_interpolates(tmp_path, size):
    theirs = randomised(transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4)))
    ours, found = loaded(kept(theirs, tmp_path, "folder"), "image", IMAGE.model_copy(update={"size": size}))
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)).double()
    expected = theirs.double()(x, interpolate_pos_encoding=True).last_hidden_state
    torch.testing.assert_close(ours.features(x).taps[-1], expected, atol=1e-5, rtol=0)
    assert found.resampled.old == (4, 4)


@torch.no_grad()
@pytest.mark.parametrize("how", ["folder", "state"])
@pytest.mark.parametrize("name", ["VideoMAEModel", "VideoMAEForVideoClassification", "VideoMAEForPreTraining"])
def test_videomae(tmp_path, name, how):
    config = transformers.VideoMAEConfig(**SIZES, patch_size=4, num_frames=4, **DECODER)
    theirs = randomised(getattr(transformers, name)(config))
    ours, found = loaded(kept(theirs, tmp_path, how), "video", VIDEO)
    assert found.layout == "hf-videomae"
    assert found.filled == ("blocks.0.attn.k_bias", "blocks.1.attn.k_bias")
    assert found.fresh == ("tokenizer.positions",)
    x = torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    encoder = getattr(theirs, "videomae", theirs).double()
    # The library's table is in single precision, as is ours.
    expected = encoder(x.transpose(1, 2), output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(ours.features(x).last_BND, expected, atol=1e-5, rtol=0)


def test_what_the_configuration_beside_it_says_is_checked(tmp_path):
    path = kept(transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4)), tmp_path, "folder")
    with pytest.raises(UserError, match=r"config\.json: has num_attention_heads 3, model\.heads is 4"):
        read_encoder(path, "image", IMAGE, MODEL.model_copy(update={"heads": 4}))
    before = weights_sha256(path)
    config = path / "config.json"
    config.write_text(config.read_text().replace('"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-05'))
    assert read_encoder(path, "image", IMAGE, MODEL).norm_epsilon == 1e-5
    assert weights_sha256(path) != before  # what is read from it is part of the fingerprint
    quick = transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4, hidden_act="quick_gelu"))
    quick.save_pretrained(tmp_path / "quick")
    with pytest.raises(UserError, match="has hidden_act quick_gelu, and m2pt's encoders have gelu"):
        read_encoder(tmp_path / "quick", "image", IMAGE, MODEL)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("num_hidden_layers", 9, r"has num_hidden_layers 9, and model\.safetensors has \d+: it is of another model"),
        ("hidden_size", 1024, r"has hidden_size 1024, and model\.safetensors has \d+: it is of another model"),
        ("num_attention_heads", "four", "has num_attention_heads 'four', which is no number of heads"),
        ("num_attention_heads", 0, "has num_attention_heads 0, which is no number of heads"),
    ],
)
def test_the_configuration_of_another_model_says_nothing_of_this_one(tmp_path, key, value, told):
    path = kept(transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4)), tmp_path, "folder")
    document = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(document | {key: value}))
    with pytest.raises(UserError, match=told):
        read_encoder(path, "image", IMAGE, MODEL)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"vit"'])
def test_a_configuration_that_is_no_object_is_refused(tmp_path, text):
    path = kept(transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4)), tmp_path, "folder")
    (path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json: is no JSON object, so it describes no weights; fetch it again"):
        read_encoder(path, "image", IMAGE, MODEL)


def test_a_block_without_one_of_its_three_matrices_is_not_filled(tmp_path):
    state = transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4)).state_dict()
    del state["layers.1.attention.k_proj.weight"], state["layers.0.attention.k_proj.bias"]
    torch.save(state, tmp_path / "vit.pth")
    with pytest.raises(UserError, match="belong to no layout that m2pt reads"):
        read_encoder(tmp_path / "vit.pth", "image", IMAGE, MODEL)
    del state["layers.0.attention.q_proj.bias"], state["layers.0.attention.v_proj.bias"]
    torch.save(state, tmp_path / "vit.pth")
    with pytest.raises(UserError, match=r"missing blocks\.0\.attn\.qkv\.bias.*not known layers\.1\.attention\.q_proj\.weight"):
        read_encoder(tmp_path / "vit.pth", "image", IMAGE, MODEL)


def test_several_files_of_one_model_are_read_by_their_index(tmp_path):
    theirs = transformers.ViTModel(transformers.ViTConfig(**SIZES, patch_size=4))
    theirs.save_pretrained(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    parts = sorted((tmp_path / "parts").glob("model-*.safetensors"))
    assert len(parts) > 2
    whole = read_encoder(tmp_path / "whole", "image", IMAGE, MODEL)
    for path in (tmp_path / "parts", parts[0], parts[-1], tmp_path / "parts" / "model.safetensors.index.json"):
        found = read_encoder(path, "image", IMAGE, MODEL)
        assert found.tensors.keys() == whole.tensors.keys()
        assert all(torch.equal(found.tensors[name], tensor) for name, tensor in whole.tensors.items())
    assert inspect(parts[0]).files == (*(part.name for part in parts), "config.json")

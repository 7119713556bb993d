"""What is said of an encoder beside its tensors (its heads, its modality) is checked, and what nothing says is told."""

import json

import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file

from m2pt.analysis.tables.materials import readings
from m2pt.config import ImageInput, ModelConfig, Reading, UserError
from m2pt.models.encoder import Encoder
from m2pt.runs.record import LoadedFile
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import read_encoder
from m2pt.weights.saved import load_into
from tests.run_records import finetune_record
from tests.weights import files

MODEL = ModelConfig(width=24, depth=2, heads=3)
TINY = ModelConfig(width=192, depth=12, heads=3)
IMAGE = ImageInput(form="published", size=224, channels=3, patch=16)
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}


def ast():
    return transformers.ASTConfig(**SIZES, patch_size=4, max_length=32, num_mel_bins=16)


def deit():
    return transformers.DeiTConfig(**SIZES, patch_size=4, image_size=16)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "config", "modality"),
    [
        ("ASTModel", ast, "audio"),
        ("ASTForAudioClassification", ast, "audio"),
        ("DeiTModel", deit, "image"),
        ("DeiTForImageClassificationWithTeacher", deit, "image"),
    ],
)
def test_an_encoder_with_two_class_tokens_is_an_auxiliary_alone(tmp_path, name, config, modality):
    theirs = getattr(transformers, name)(config()).eval()
    theirs.save_pretrained(tmp_path / "folder")
    torch.save(theirs.state_dict(), tmp_path / "state.pth")
    inner = next(
        (part for part in (getattr(theirs, "audio_spectrogram_transformer", None), getattr(theirs, "deit", None)) if part), theirs
    )
    tokens = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(0))
    expected = tokens
    for layer in inner.layers:
        expected = layer(expected)
        expected = expected[0] if isinstance(expected, tuple) else expected
    for path in (tmp_path / "folder", tmp_path / "state.pth"):
        weights = read_encoder(path, modality, None, MODEL, parts="blocks")
        assert weights.layout == "hf-distilled"
        ours = Encoder(MODEL)
        load_into(ours.blocks, weights.tensors, "blocks.", "x")
        torch.testing.assert_close(ours.eval().blocks(tokens), expected, atol=1e-4, rtol=0)
        with pytest.raises(UserError, match="is of the modality"):
            read_encoder(path, "point", None, MODEL, parts="blocks")
    if modality == "image":
        with pytest.raises(
            UserError, match="no tokenizer here has two class tokens; name another file, or use this one as an aux"
        ):
            read_encoder(tmp_path / "folder", "image", IMAGE, MODEL)


def test_a_model_of_another_type_is_named(tmp_path):
    bert = transformers.BertConfig(**SIZES, vocab_size=30, max_position_embeddings=8)
    transformers.BertModel(bert).save_pretrained(tmp_path)
    with pytest.raises(
        UserError, match=r"model\.safetensors: is a model of type bert \(config\.json\), which m2pt does not read"
    ):
        read_encoder(tmp_path, "image", None, MODEL, parts="blocks")


def timms(folder, name="vit_tiny_patch16_224", **options):
    """A folder as timm's `save_for_hf` writes it."""
    folder.mkdir()
    save_file(timm.create_model(name, **options).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": name, "model_args": options}))
    return folder / "model.safetensors"


def test_timms_configuration_says_the_heads(tmp_path):
    path = timms(tmp_path / "vit")
    weights = read_encoder(path, "image", IMAGE, TINY)
    assert weights.assumed == ()
    assert inspect(path).heads == 3
    with pytest.raises(UserError, match=r"config\.json: has heads 3 \(timm's vit_tiny_patch16_224\), model\.heads is 4"):
        read_encoder(path, "image", IMAGE, TINY.model_copy(update={"heads": 4}))
    with pytest.raises(
        UserError,
        match=r"model\.safetensors: is of the modality image \(timm's vit_tiny_patch16_224 says so\), and an encoder for",
    ):
        read_encoder(path, "audio", None, TINY, parts="blocks")
    other = timms(tmp_path / "other", num_heads=6)
    assert inspect(other).heads == 6


def test_the_study_can_name_timms_model(tmp_path):
    path = tmp_path / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), path)
    named = Reading(architecture="vit_tiny_patch16_224")
    assert read_encoder(path, "image", IMAGE, TINY, reading=named).assumed == ()
    silent = read_encoder(path, "image", IMAGE, TINY.model_copy(update={"heads": 4}))
    assert silent.assumed == ("the file does not say how many attention heads it has, so 4 (model.heads) are assumed",)
    with pytest.raises(UserError, match=r"vit\.safetensors: has heads 3 \(timm's vit_tiny_patch16_224\), model\.heads is 4"):
        read_encoder(path, "image", IMAGE, TINY.model_copy(update={"heads": 4}), reading=named)
    for name, told in {
        "vit_huge": "timm has no model vit_huge",
        "vit_small_patch16_224": "has width 192, and timm's vit_small_patch16_224 has 384",
        "vit_base_patch16_clip_224": "is timm's vit_base_patch16_clip_224, which has a norm before its first block",
        "convnext_tiny": "which has other blocks than a ViT",
    }.items():
        with pytest.raises(UserError, match=told):
            read_encoder(path, "image", IMAGE, TINY, reading=Reading(architecture=name))


def test_an_encoder_of_a_run_is_of_its_modality_and_has_its_heads(tmp_path):
    tensors = {f"blocks.{index}.{key}": value for index in range(2) for key, value in files.block(files.values(), "").items()}
    save_file(tensors | {"tokenizer.projection.weight": torch.ones(24, 6)}, tmp_path / "encoder.safetensors")
    read = lambda modality, model: read_encoder(tmp_path / "encoder.safetensors", modality, None, model, parts="blocks")  # noqa: E731
    assert "attention heads" in read("point", MODEL).assumed[0]
    (tmp_path / "spec.json").write_text(json.dumps({"spec": {"modality": "audio", "model": {"heads": 3}}}))
    assert read("audio", MODEL).assumed == ()
    with pytest.raises(UserError, match=r"is of the modality audio \(.*spec\.json says so\), and an encoder for point is needed"):
        read("point", MODEL)
    with pytest.raises(UserError, match=r"spec\.json: has model\.heads 3, model\.heads is 4"):
        read("audio", MODEL.model_copy(update={"heads": 4}))


def test_a_tokenizer_of_another_modality_is_told_where_it_may_be_so(tmp_path):
    torch.save(files.vit(), tmp_path / "zoo.pth")  # as M2PT's zoo keeps encoders of points
    weights = read_encoder(tmp_path / "zoo.pth", "point", None, MODEL, parts="blocks")
    assert weights.assumed[1] == "its tokenizer, which is not used, is one of image"
    loaded = LoadedFile(role="auxiliary", source="mine", modality="point", **weights.facts())
    sentences = readings([finetune_record("run", loaded=[loaded.model_dump(mode="json")])])
    assert "Of mine (point, timm): its tokenizer, which is not used, is one of image." in sentences

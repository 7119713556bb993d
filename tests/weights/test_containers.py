"""Containers are told apart by what they are, whatever their first byte and their name; every size is written and read back."""

import json
import pickle
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from m2pt.config import ImageInput, ModelConfig, UserError
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.weights.content import read_content
from m2pt.weights.reading import load_encoder, read_encoder
from m2pt.weights.saved import save_weights
from tests.weights import files

TENSORS = {"blocks.0.weight": torch.arange(6.0).view(2, 3)}


def safetensors_with_length(length):
    """A whole safetensors file whose header has so many bytes: the format allows spaces behind the header's JSON."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", length) + header.ljust(length) + struct.pack("<f", 2.5)


@pytest.mark.parametrize("length", [0x80, 0x180, 0x1080, 0x280, 0x480, 0x0350, 0x4B50, 0x04034B50])
def test_a_header_of_any_length_is_no_pickle_and_no_archive(tmp_path, length):
    """0x80 starts a pickle (0x0280 and 0x0480 with their protocol), 0x04034b50 a zip archive."""
    path = tmp_path / "weights.pth"
    path.write_bytes(safetensors_with_length(length))
    found = read_content(path)
    assert found.kind == "safetensors"
    assert found.tensors["w"].tolist() == [2.5]


def test_a_vit_as_the_hub_keeps_it(tmp_path):
    """Its metadata say `format: pt`, and its header's length ends in the byte 0x80."""
    tensors = {name: tensor.contiguous() for name, tensor in files.vit().items()}
    for padding in range(200):
        content = save(tensors, {"format": "pt", "padding": " " * padding})
        if content[0] == 0x80:
            break
    assert content[0] == 0x80
    (tmp_path / "model.safetensors").write_bytes(content)
    model = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
    image = ImageInput(form="published", size=16, channels=3, patch=4)
    found = read_encoder(tmp_path, "image", image, model)
    assert torch.equal(found.tensors["norm.bias"], tensors["norm.bias"])


@settings(max_examples=60, deadline=None)
@given(
    depth=st.integers(1, 14),
    heads=st.integers(1, 4),
    per_head=st.integers(1, 16),
    mlp_ratio=st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0]),
    qkv_bias=st.booleans(),
)
def test_every_size_that_a_study_may_declare_is_written_and_read_back(
    tmp_path_factory, depth, heads, per_head, mlp_ratio, qkv_bias
):
    if int(heads * per_head * mlp_ratio) == 0:
        return
    config = ModelConfig(width=heads * per_head, depth=depth, heads=heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias)
    model = Model("image", ImageInput(), config, 3)
    path = tmp_path_factory.mktemp("sizes") / "encoder.safetensors"
    save_weights(path, model)
    found = read_encoder(path, "image", ImageInput(), config)
    for name, tensor in model.state_dict().items():
        if name.startswith(("tokenizer.", "blocks.")):
            assert torch.equal(found.tensors[name], tensor)
    load_encoder(Model("image", ImageInput(), config, 3), found, "own")


@pytest.mark.parametrize(("width", "depth"), [(64, 12), (32, 2), (24, 4), (48, 8), (96, 12)])
def test_the_sizes_of_encoders_pretrained_here(tmp_path, width, depth):
    """Width 64 at depth 12 and width 32 at depth 2 have been taken for pickles."""
    config = ModelConfig(width=width, depth=depth, heads=4)
    for modality, form in {"image": ImageInput(), "audio": None}.items():
        encoder = Encoder(config)
        path = tmp_path / f"{modality}.safetensors"
        save_weights(path, encoder)
        found = read_encoder(path, modality, form, config, parts="blocks")
        assert all(torch.equal(found.tensors[f"blocks.{name}"], tensor) for name, tensor in encoder.blocks.state_dict().items())


def test_all_first_bytes_of_own_encoders_are_read(tmp_path):
    """Whatever the length of the header: names of growing length move it through all remainders of the format's padding."""
    seen = set()
    for extra in range(0, 320, 8):
        content = save(TENSORS, {"pad": "x" * extra})
        seen.add(content[0])
        (tmp_path / "w").write_bytes(content)
        assert torch.equal(read_content(tmp_path / "w").tensors["blocks.0.weight"], TENSORS["blocks.0.weight"])
    assert 0x80 in seen


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda whole: whole[:-3], "bytes of tensors instead of"),
        (lambda whole: whole + b"more", "bytes of tensors instead of"),
        (lambda whole: whole[:40], "its header is cut off"),
        (lambda whole: whole[:12] + b"\xff" + whole[13:], "its header is damaged"),
    ],
)
def test_a_damaged_safetensors_file_is_no_pickle_either(tmp_path, change, told):
    path = tmp_path / "w.safetensors"
    path.write_bytes(change(safetensors_with_length(0x80)))
    with pytest.raises(UserError, match=f"is not a complete safetensors file .*{told}"):
        read_content(path)


def test_advice_for_a_bare_pickle_and_a_program_works_when_followed(tmp_path):
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(TENSORS))
    with pytest.raises(UserError, match=r"torch\.save\(pickle\.load\(open\(FILE, 'rb'\)\), NEW_FILE\)"):
        read_content(tmp_path / "bare.pkl")
    with (tmp_path / "bare.pkl").open("rb") as stream:
        torch.save(pickle.load(stream), tmp_path / "new.pth")
    assert torch.equal(read_content(tmp_path / "new.pth").tensors["blocks.0.weight"], TENSORS["blocks.0.weight"])
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "program.pt")
    with pytest.raises(UserError, match=r"torch\.save\(torch\.jit\.load\(FILE\)\.state_dict\(\), NEW_FILE\)"):
        read_content(tmp_path / "program.pt")
    torch.save(torch.jit.load(tmp_path / "program.pt").state_dict(), tmp_path / "new.pth")
    assert set(read_content(tmp_path / "new.pth").tensors) == {"weight", "bias"}


def test_narrow_floats_keep_their_values_and_whole_numbers_are_refused(tmp_path):
    model = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
    image = ImageInput(form="published", size=16, channels=3, patch=4)
    for kind in (torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16):
        tensors = {name: tensor.to(kind) for name, tensor in files.vit().items()}
        save_file(tensors, tmp_path / "narrow.safetensors")
        found = read_encoder(tmp_path / "narrow.safetensors", "image", image, model)
        assert torch.equal(found.tensors["norm.bias"], tensors["norm.bias"].float())
        assert found.facts()["precisions"] == (str(kind).removeprefix("torch."),)
    spoiled = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in files.vit().items()}
    spoiled["norm.bias"] = torch.full((files.WIDTH,), torch.nan).to(torch.float8_e4m3fn)
    save_file(spoiled, tmp_path / "nan.safetensors")
    with pytest.raises(UserError, match=r"norm\.bias holds values that are not finite"):
        read_encoder(tmp_path / "nan.safetensors", "image", image, model)
    whole = files.vit()
    whole["blocks.0.attn.qkv.weight"] = (whole["blocks.0.attn.qkv.weight"] * 100).to(torch.int8)
    torch.save(whole, tmp_path / "int8.pth")
    with pytest.raises(UserError, match=r"blocks\.0\.attn\.qkv\.weight holds whole numbers \(int8\), as quantised weights do"):
        read_encoder(tmp_path / "int8.pth", "image", image, model)
    save_file(files.vit() | {"blocks.0.attn.qkv.weight_scale": torch.ones(1)}, tmp_path / "scaled.safetensors")
    with pytest.raises(UserError, match=r"it looks like a quantised model .*not known blocks\.0\.attn\.qkv\.weight_scale"):
        read_encoder(tmp_path / "scaled.safetensors", "image", image, model)


def test_a_setting_of_pytorch_that_forbids_the_reader_is_named(tmp_path, monkeypatch):
    torch.save(TENSORS, tmp_path / "w.pth")
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(UserError, match=r"TORCH_FORCE_WEIGHTS_ONLY_LOAD keeps PyTorch from reading it .* unset it"):
        read_content(tmp_path / "w.pth")


def test_an_archive_that_says_it_is_of_several_disks_is_damaged(tmp_path):
    """The locator of its end (zip's appendix, 4.3.15) closes with their number."""
    path = tmp_path / "weights.pth"
    torch.save(TENSORS, path)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x06\x07") + 16
    content[place : place + 4] = struct.pack("<I", 2)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pth: is damaged \(its list of entries cannot be read\); fetch it again"):
        read_content(path)

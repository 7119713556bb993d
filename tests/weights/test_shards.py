"""Weights in several files: read whole by their index, fingerprinted whole, and one of them alone is called what it is."""

import json

import pytest
import torch
from safetensors.torch import save_file

from m2pt.config import ImageInput, ModelConfig, UserError
from m2pt.weights.content import read_content
from m2pt.weights.reading import read_encoder
from m2pt.weights.shards import check_content, weights_file, weights_sha256
from tests.weights import files

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4)


def write(folder, suffix, *, index=True):
    """A ViT in two files, split before its second block."""
    folder.mkdir()
    tensors = {name: tensor.contiguous() for name, tensor in files.vit().items()}
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    places = {name: 2 if name.startswith(("blocks.1.", "norm.")) else 1 for name in tensors}
    for number in (1, 2):
        part = {name: tensor for name, tensor in tensors.items() if places[name] == number}
        path = folder / f"{stem}-{number:05}-of-00002.{suffix}"
        save_file(part, path) if suffix == "safetensors" else torch.save(part, path)
    names = {name: f"{stem}-{number:05}-of-00002.{suffix}" for name, number in places.items()}
    if index:
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return tensors, [folder / f"{stem}-{number:05}-of-00002.{suffix}" for number in (1, 2)]


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_parts_are_read_whole_through_the_index(tmp_path, suffix):
    tensors, parts = write(tmp_path / "vit", suffix)
    for path in (tmp_path / "vit", *parts):
        content = read_content(path)
        assert content.tensors.keys() == tensors.keys()
        assert all(torch.equal(content.tensors[name], tensor) for name, tensor in tensors.items())
        assert weights_file(path).name.endswith(".index.json")
        assert read_encoder(path, "image", IMAGE, MODEL).layout == "timm"


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_part_without_index_is_refused_as_one(tmp_path, suffix):
    _, parts = write(tmp_path / "vit", suffix, index=False)
    for number, path in ((1, parts[0]), (2, parts[1]), (1, tmp_path / "vit")):
        with pytest.raises(
            UserError, match=rf"is part {number} of 2 of an encoder, and \w+\.{suffix}\.index\.json.* is not next to it"
        ) as e:
            read_encoder(path, "image", IMAGE, MODEL)
        assert "depth" not in str(e.value)
    # Under another name the part is still no encoder, and nobody is told to make the model as shallow as it.
    parts[0].rename(tmp_path / "renamed")
    with pytest.raises(UserError, match="may be a part of an encoder") as e:
        read_encoder(tmp_path / "renamed", "image", IMAGE, MODEL, parts="blocks")
    assert "set it to 1" not in str(e.value)


def test_the_fingerprint_covers_every_part(tmp_path):
    _, parts = write(tmp_path / "vit", "safetensors")
    before = weights_sha256(tmp_path / "vit")
    assert before == weights_sha256(parts[1])
    check_content(tmp_path / "vit", before)
    tensors = {name: tensor + 1 for name, tensor in read_content(tmp_path / "vit").tensors.items() if "blocks.1." in name}
    norm = {name: tensor for name, tensor in read_content(tmp_path / "vit").tensors.items() if name.startswith("norm.")}
    save_file(tensors | norm, parts[1])
    assert weights_sha256(tmp_path / "vit") != before
    with pytest.raises(UserError, match="its content has changed since the run was planned"):
        check_content(tmp_path / "vit", before)


def test_a_missing_part_a_wrong_index_and_doubled_tensors(tmp_path):
    _, parts = write(tmp_path / "vit", "safetensors")
    index = tmp_path / "vit" / "model.safetensors.index.json"
    whole = json.loads(index.read_text())
    second = parts[1].read_bytes()
    parts[1].unlink()
    with pytest.raises(
        UserError, match=r"model-00002-of-00002\.safetensors: is missing, and model\.safetensors\.index\.json names"
    ):
        read_content(tmp_path / "vit")
    parts[1].write_bytes(parts[0].read_bytes())
    with pytest.raises(UserError, match=r"lacks blocks\.1\.norm1\.weight, which model\.safetensors\.index\.json says is in it"):
        read_content(tmp_path / "vit")
    parts[1].write_bytes(second)
    save_file(read_content(parts[1]).tensors, parts[1])  # all tensors, also those of the first part
    with pytest.raises(UserError, match=r"as another part of .* does"):
        read_content(tmp_path / "vit")
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(UserError, match="which is not next to it"):
        read_content(tmp_path / "vit")
    for content in ({}, {"weight_map": {}}, [whole]):
        index.write_text(json.dumps(content))
        with pytest.raises(UserError, match="is not an index of weights in several files"):
            read_content(tmp_path / "vit")


def test_one_part_of_one_is_whole(tmp_path):
    save_file(files.vit(), tmp_path / "model-00001-of-00001.safetensors")
    assert read_encoder(tmp_path, "image", IMAGE, MODEL).layout == "timm"

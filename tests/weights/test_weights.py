"""Weights files: strict, safe, and checked against what was planned."""

import pickle

import pytest
import torch

from m2pt.config import UserError
from m2pt.files.state import file_sha256
from m2pt.models.encoder import Encoder
from m2pt.weights.saved import load_into, read_weights, save_weights
from tests.specs import MODEL


def test_weights_survive_the_way_through_a_file(tmp_path):
    encoder = Encoder(MODEL)
    sha256 = save_weights(tmp_path / "encoder.safetensors", encoder)
    assert sha256 == file_sha256(tmp_path / "encoder.safetensors")
    other = Encoder(MODEL)
    load_into(other.blocks, read_weights(tmp_path / "encoder.safetensors", sha256), "blocks.", "file")
    assert all(
        torch.equal(ours, theirs) for ours, theirs in zip(encoder.blocks.parameters(), other.blocks.parameters(), strict=True)
    )


def test_every_misfit_is_listed(tmp_path):
    encoder = Encoder(MODEL)
    tensors = dict(encoder.state_dict())
    del tensors["blocks.0.norm1.bias"]
    tensors["blocks.9.norm1.bias"] = torch.zeros(24)
    tensors["blocks.1.mlp.fc1.bias"] = torch.zeros(7)
    with pytest.raises(UserError) as caught:
        load_into(encoder.blocks, tensors, "blocks.", "zoo.safetensors")
    message = str(caught.value)
    assert message.startswith("zoo.safetensors: does not fit the model: ")
    assert "missing blocks.0.norm1.bias" in message
    assert "not expected blocks.9.norm1.bias" in message
    assert "blocks.1.mlp.fc1.bias is (7,) instead of (96,)" in message


def test_missing_truncated_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"absent\.safetensors: the weights file is missing"):
        read_weights(tmp_path / "absent.safetensors")
    path = tmp_path / "encoder.safetensors"
    save_weights(path, Encoder(MODEL))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="is not a complete safetensors file"):
        read_weights(path)
    with pytest.raises(UserError, match="changed since the run was planned"):
        read_weights(path, "0" * 64)


def test_a_pickle_is_refused_without_being_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="is not a complete safetensors file"):
        read_weights(path)
    assert not (tmp_path / "executed").exists()

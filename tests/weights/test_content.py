"""What is in a file of weights: read without running it, whatever is in it and whatever it is called."""

import builtins
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from m2pt.config import UserError
from m2pt.weights.content import read_content
from m2pt.weights.shards import check_content, weights_file

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


class Trap:
    """Writes a file as soon as anything runs it."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def traps(path):
    return {
        "open": Trap(builtins.open, str(path), "w"),
        "system": Trap(os.system, f"touch {path}"),
        "eval": Trap(builtins.eval, f"open({str(path)!r}, 'w')"),
        "exec": Trap(builtins.exec, f"open({str(path)!r}, 'w')"),
        "state": Trap(torch.load, str(path)),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ["open", "system", "eval", "exec", "state"])
@pytest.mark.parametrize("place", ["top", "beside", "key"])
def test_nothing_in_a_file_is_run(tmp_path, kind, zipped, place):
    trap = traps(tmp_path / "executed")[kind]
    content = {"top": trap, "beside": {"model": TENSORS, "args": trap}, "key": {**TENSORS, trap: torch.ones(1)}}[place]
    path = tmp_path / "trap.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    try:
        found = read_content(path)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert place == "beside"
        assert set(found.tensors) == set(TENSORS)
    assert not (tmp_path / "executed").exists()
    # The trap is one: read without care, it does write the file (but for the one that calls torch.load).
    if place == "top" and zipped and kind != "state":
        torch.load(path, weights_only=False)
        assert (tmp_path / "executed").exists()


def test_a_bare_pickle_is_refused_unread(tmp_path):
    for protocol in (2, 4):
        path = tmp_path / "weights.safetensors"
        path.write_bytes(pickle.dumps(traps(tmp_path / "executed")["open"], protocol))
        with pytest.raises(UserError, match="is a bare pickle, which m2pt does not open"):
            read_content(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_tensors_with_harmless_company(tmp_path, zipped):
    import argparse
    import collections
    import pathlib

    company = {
        "args": argparse.Namespace(lr=1e-3, out=pathlib.PurePosixPath("a")),
        "score": np.float32(3.5),
        "table": np.arange(3),
        "log": collections.defaultdict(list),
        "epoch": 7,
    }
    torch.save({"state_dict": TENSORS, **company}, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    found = read_content(tmp_path / "weights.pth")
    assert (found.kind, found.wrapper, set(found.others)) == ("pytorch", "state_dict", set(company))
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_a_pickled_module_is_read_from_its_record(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Sequential(torch.nn.LayerNorm(2)))
    module.register_buffer("passing", torch.ones(2), persistent=False)
    for content in (module, {"model": module, "epoch": 3}, torch.nn.DataParallel(module)):
        torch.save(content, tmp_path / "module.pth")
        found = read_content(tmp_path / "module.pth")
        assert found.wrapper == "pickled module"
        prefix = "module." if isinstance(content, torch.nn.DataParallel) else ""
        expected = module.state_dict(prefix=prefix)
        assert found.tensors.keys() == expected.keys()
        assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.items())


def test_tensors_of_a_large_file_stay_on_the_disk(tmp_path):
    torch.save({"model": TENSORS}, tmp_path / "weights.pth")
    found = read_content(tmp_path / "weights.pth")
    with (tmp_path / "weights.pth").open("r+b") as file:
        start = file.read().find(TENSORS["b"].numpy().tobytes())
        file.seek(start)
        file.write(np.full(4, 5.0, np.float32).tobytes())
    assert torch.equal(found.tensors["b"], torch.full((4,), 5.0))


def test_folders(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: the weights file is missing"):
        weights_file(tmp_path / "nowhere")
    with pytest.raises(UserError, match="the folder holds no file of weights"):
        weights_file(tmp_path)
    torch.save(TENSORS, tmp_path / "one.pth")
    (tmp_path / "config.json").write_text("{}")
    assert weights_file(tmp_path) == tmp_path / "one.pth"
    torch.save(TENSORS, tmp_path / "two.pth")
    with pytest.raises(UserError, match=r"holds several files of weights \(one\.pth, two\.pth\); name the file itself"):
        weights_file(tmp_path)
    torch.save(TENSORS, tmp_path / "pytorch_model.bin")
    assert weights_file(tmp_path) == tmp_path / "pytorch_model.bin"
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert weights_file(tmp_path) == tmp_path / "model.safetensors"
    assert read_content(tmp_path).kind == "safetensors"
    check_content(tmp_path, None)
    with pytest.raises(UserError, match="its content has changed since the run was planned"):
        check_content(tmp_path, "0" * 64)


def test_a_file_is_told_by_its_content_not_by_its_name(tmp_path):
    torch.save(TENSORS, tmp_path / "weights.safetensors")
    assert read_content(tmp_path / "weights.safetensors").kind == "pytorch"
    save_file(TENSORS, tmp_path / "weights.pth")
    assert read_content(tmp_path / "weights.pth").kind == "safetensors"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a file of weights"),
        (b"<!DOCTYPE html><html>", "is not a file of weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 12\n", "is a pointer of Git LFS"),
        (b"PK\x03\x04 and no more", "is cut off"),
        (b"\x10\0\0\0\0\0\0\0{", "is not a complete safetensors file"),
    ],
)
def test_damaged_and_foreign_files(tmp_path, content, told):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as caught:
        read_content(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("write", ["pytorch", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_truncated_files(tmp_path, write, share):
    path = tmp_path / "weights"
    tensors = {f"blocks.{index}.weight": torch.randn(20, 20) for index in range(8)}
    if write == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=write == "pytorch")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"is cut off|is not a complete|cannot be read as weights"):
        read_content(path)


def test_files_without_a_model(tmp_path):
    for content in ([1, 2], {"epoch": 3}, {"model": {"model": {}}}, {1: torch.ones(2)}):
        torch.save(content, tmp_path / "weights.pth")
        with pytest.raises(UserError, match="holds no model's tensors by name"):
            read_content(tmp_path / "weights.pth")

"""A folded ConvNet in the formats that can hold it, as their own clients load it; the others say why they cannot."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from m2pt.config import ModelConfig, UserError
from m2pt.inference.trained import trained
from m2pt.runs.folder import MERGED
from tests.export.test_formats import own, same, samples, written
from tests.finished_runs import CLASSES, INPUTS, finished_run

CONVNET = ModelConfig(family="unireplknet", width=16, stages=((3,), (7, 13)))


def made(tmp_path: Path, modality: str = "image") -> Path:
    return finished_run(tmp_path / "runs/study", modality, model=CONVNET)


@pytest.mark.patient
@pytest.mark.parametrize("modality", INPUTS)
def test_onnx_and_torch_export_run_every_modality_in_batches_of_any_size(modality: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run_dir = made(tmp_path, modality)
    model = trained(run_dir)
    session = runtime.InferenceSession(written(run_dir, "onnx") / "model.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(CLASSES)
    program = torch.export.load(written(run_dir, "torch-export") / "model.pt2").module()
    for count in (1, 3, 9):
        x = samples(model, count)
        same(session.run(None, {"samples": x.numpy()})[0], own(model, x))
        with torch.no_grad():
            same(program(x), own(model, x))


@pytest.mark.parametrize("modality", INPUTS)
def test_safetensors_has_the_folded_model_and_all_that_builds_it(modality: str, tmp_path: Path) -> None:
    run_dir = made(tmp_path, modality)
    out = written(run_dir, "safetensors")
    assert (out / "model.safetensors").read_bytes() == (run_dir / MERGED).read_bytes()
    again, model = trained(out), trained(run_dir)
    x = samples(model, 3)
    assert torch.equal(own(again, x), own(model, x))
    tensors = load_file(out / "model.safetensors")
    assert tensors["blocks.2.conv_dw.weight"].shape == (16, 1, 13, 13)
    assert not [name for name in tensors if "running" in name or "k3r" in name]


@pytest.mark.parametrize("name", ["timm", "hf"])
def test_formats_of_vits_refuse_it_with_one_sentence(name: str, tmp_path: Path) -> None:
    if name == "hf":
        pytest.importorskip("transformers")
    sentence = r"^it is no plain ViT of timm's, because its blocks are of the family unireplknet; export to onnx, torch-export,"
    with pytest.raises(UserError, match=sentence):
        written(made(tmp_path), name)

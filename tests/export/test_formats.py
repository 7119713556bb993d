"""Every format as its own client loads it, beside the run's own model: on other samples than those it was checked with."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from m2pt.config import AudioInput, FinetuneConfig, ImageInput, PointInput, UserError, VideoInput
from m2pt.export.formats import WRITERS, export
from m2pt.inference.trained import Trained, trained
from m2pt.runs.folder import MERGED
from tests.finished_runs import CLASSES, INPUTS, finished_run

NOTHING = "Nothing is known of other runs."

PUBLISHED = {
    "image": ImageInput(form="published", size=32, channels=3, patch=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)),
    "audio": AudioInput(form="published", hop_ms=10.0, frames=32, mels=64, patch=16, mean=-4.0, std=2.5),
    "point": PointInput(form="published", points=48, groups=6, neighbours=8),
    "video": VideoInput(form="published", frames=4, size=32, channels=3, tubelet=2, patch=16, mean=(0.5,) * 3, std=(0.25,) * 3),
}
PROBE = FinetuneConfig(samples=40, epochs=3, batch_size=16, warmup_steps=1, head="class_token")


def written(run_dir: Path, name: str) -> Path:
    out = run_dir.parents[1] / f"out of {name}"
    export(run_dir, out, name, WRITERS[name], NOTHING)
    return out


def samples(model: Trained, count: int) -> Tensor:
    x = torch.rand(count, *model.spec.input.sample_shape, generator=torch.Generator().manual_seed(7))
    return 2 * x - 1 if model.spec.modality == "point" else x


def own(model: Trained, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.model(x)
    assert logits.shape == (len(x), 3) and logits.std() > 0.05, "models that say the same of all samples could not be told apart"
    return logits


def normalised(model: Trained, x: Tensor) -> Tensor:
    given = model.spec.input
    mean, std = (torch.as_tensor(getattr(given, key)).reshape(-1, 1, 1) for key in ("mean", "std"))
    return (x - mean) / std


def same(theirs: object, mine: Tensor) -> None:
    torch.testing.assert_close(torch.as_tensor(theirs), mine, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("form", ["shared", "published", "class token"])
def test_timm_and_transformers_load_what_is_a_vit(form: str, modality: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    given = (INPUTS if form == "shared" else PUBLISHED)[modality]
    run_dir = finished_run(
        tmp_path / "runs/study", modality, input=given, **({"finetune": PROBE} if form == "class token" else {})
    )
    model = trained(run_dir)
    loaded = timm.create_model(f"local-dir:{written(run_dir, 'timm')}", pretrained=True).eval()
    theirs = transformers.AutoModelForImageClassification.from_pretrained(written(run_dir, "hf")).eval()
    assert type(theirs).__name__ == (
        "ViTForImageClassification" if form == "class token" else "TimmWrapperForImageClassification"
    )
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    assert loaded.pretrained_cfg["label_names"] == list(CLASSES)
    assert "license" not in json.dumps(loaded.pretrained_cfg), "nobody has licensed these weights"
    for count in (1, 3):
        x = samples(model, count)
        with torch.no_grad():
            same(loaded(normalised(model, x)), own(model, x))
            same(theirs(normalised(model, x)).logits, own(model, x))
    data = timm.data.resolve_model_data_config(loaded)
    assert tuple(data["mean"]) == tuple(np.atleast_1d(given.mean).tolist())
    assert tuple(data["input_size"]) == given.sample_shape


@pytest.mark.parametrize("name", ["onnx", "safetensors"])
@pytest.mark.parametrize(("fault", "sentence"), [("missing", "is missing"), ("cut", "is not the file that its record speaks of")])
def test_a_run_without_its_weights_is_refused_with_what_makes_them_again(
    name: str, fault: str, sentence: str, tmp_path: Path
) -> None:
    run_dir = finished_run(tmp_path / "runs/study", "point")
    weights = run_dir / MERGED
    weights.unlink() if fault == "missing" else weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError) as refused:
        written(run_dir, name)
    assert sentence in str(refused.value) and f"delete the folder {run_dir} and run again" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


GRAPHS = [(form, modality) for form in ("shared", "published") for modality in INPUTS]


@pytest.mark.parametrize(
    ("form", "modality"), [case if case == GRAPHS[0] else pytest.param(*case, marks=pytest.mark.patient) for case in GRAPHS]
)
def test_onnx_and_torch_export_run_every_modality_in_batches_of_any_size(form: str, modality: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    head = {"finetune": PROBE} if (form, modality) == ("published", "image") else {}
    run_dir = finished_run(tmp_path / "runs/study", modality, input=(INPUTS if form == "shared" else PUBLISHED)[modality], **head)
    model = trained(run_dir)
    session = runtime.InferenceSession(written(run_dir, "onnx") / "model.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(CLASSES)
    classes = {"classes.json": ""}
    program = torch.export.load(written(run_dir, "torch-export") / "model.pt2", extra_files=classes).module()
    assert json.loads(classes["classes.json"]) == list(CLASSES)
    for count in (1, 3, 9):
        x = samples(model, count)
        same(session.run(None, {"samples": x.numpy()})[0], own(model, x))
        with torch.no_grad():
            same(program(x), own(model, x))


@pytest.mark.parametrize("modality", INPUTS)
def test_safetensors_has_the_bytes_of_the_run_and_all_that_builds_the_model(modality: str, tmp_path: Path) -> None:
    run_dir = finished_run(tmp_path / "runs/study", modality)
    model = trained(run_dir)
    out = written(run_dir, "safetensors")
    assert (out / "model.safetensors").read_bytes() == (run_dir / MERGED).read_bytes()
    tensors = load_file(out / "model.safetensors")
    assert {name: tensor.shape for name, tensor in tensors.items()} == {n: t.shape for n, t in model.model.state_dict().items()}
    shutil.rmtree(run_dir)  # on another machine
    again, x = trained(out), samples(model, 3)
    assert torch.equal(own(again, x), own(model, x)) and again.classes == CLASSES
    facts = (out / "m2pt.json").read_text()
    (out / "m2pt.json").write_text(re.sub(r'"recipe_version": \d+', '"recipe_version": 0', facts))
    with pytest.raises(UserError, match="is of recipe version 0, and this m2pt has"):
        trained(out)
    (out / "m2pt.json").write_text(facts)
    content = (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"model\.safetensors"):
        trained(out)


@pytest.mark.patient
def test_a_program_needs_no_code_of_ours(tmp_path: Path) -> None:
    run_dir = finished_run(tmp_path / "runs/study")
    model, out = trained(run_dir), written(run_dir, "torch-export")
    x = samples(model, 2)
    torch.save(x, tmp_path / "x.pt")
    code = (
        "import sys, torch; "
        f"y = torch.export.load({str(out / 'model.pt2')!r}).module()(torch.load({str(tmp_path / 'x.pt')!r})); "
        f"torch.save(y.detach(), {str(tmp_path / 'y.pt')!r}); assert not [m for m in sys.modules if m.startswith('m2pt')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    same(torch.load(tmp_path / "y.pt"), own(model, x))


def test_an_unusual_epsilon_of_the_target_file_goes_along(tmp_path: Path) -> None:
    fields = {
        "layout": "hf-vit",
        "weights": "raw",
        "wrapper": None,
        "beside": [],
        "precisions": ["float32"],
        "zero": [],
        "fresh": [],
    }
    file = fields | {"role": "target", "source": "mae", "modality": "image", "norm_epsilon": 0.1, "positions": None}
    usual = trained(finished_run(tmp_path / "usual/study", input=PUBLISHED["image"], finetune=PROBE))
    run_dir = finished_run(tmp_path / "runs/study", input=PUBLISHED["image"], finetune=PROBE, record={"loaded": [file]})
    model = trained(run_dir)
    x = samples(model, 3)
    assert not torch.allclose(own(model, x), own(usual, x), atol=1e-3)
    with pytest.raises(UserError, match="its norms have another epsilon than 1e-06"):
        written(run_dir, "timm")
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForImageClassification.from_pretrained(written(run_dir, "hf")).eval()
    with torch.no_grad():
        same(theirs(normalised(model, x)).logits, own(model, x))


@pytest.mark.parametrize(
    ("modality", "changes", "why"),
    [
        ("point", {}, "has no place for the modality point"),
        ("video", {}, "has no place for the modality video"),
        ("image", {"input": PUBLISHED["image"], "blocks": {"relative_positions": True}}, "its attention has relative positions"),
    ],
)
def test_what_a_format_cannot_hold_is_said_in_a_sentence_and_leaves_nothing(
    modality: str, changes: dict, why: str, tmp_path: Path
) -> None:
    blocks = changes.pop("blocks", None)
    if blocks:
        changes["finetune"] = FinetuneConfig(samples=40, epochs=3, batch_size=16, warmup_steps=1, blocks=blocks)
    run_dir = finished_run(tmp_path / "runs/study", modality, **changes)
    for name in ("timm", "hf"):
        with pytest.raises(UserError, match=why):
            written(run_dir, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_an_export_overwrites_nothing_and_is_complete_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir, out = finished_run(tmp_path / "runs/study"), tmp_path / "place/of mine"
    out.mkdir(parents=True)
    with pytest.raises(UserError, match="of mine: exists already"):
        export(run_dir, out, "safetensors", WRITERS["safetensors"], NOTHING)
    assert list(out.iterdir()) == []
    out.rmdir()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("m2pt.export.formats.card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(run_dir, out, "safetensors", WRITERS["safetensors"], NOTHING)
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()
    export(run_dir, out, "safetensors", WRITERS["safetensors"], NOTHING)
    assert {path.name for path in out.iterdir()} == {"README.md", "m2pt.json", "model.safetensors"}
    assert (out.stat().st_mode & 0o777) == 0o755


def test_weights_that_are_not_those_of_the_record_are_not_exported(tmp_path: Path) -> None:
    run_dir = finished_run(tmp_path / "runs/study")
    weights = (run_dir / MERGED).read_bytes()
    (run_dir / MERGED).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    for name in ("timm", "safetensors", "torch-export"):
        with pytest.raises(UserError, match=MERGED):
            written(run_dir, name)


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="--to onnx: onnxruntime is not installed; install m2pt with its extra `export`"):
        written(finished_run(tmp_path / "runs/study"), "onnx")


def test_a_model_whose_logits_differ_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = finished_run(tmp_path / "runs/study")
    monkeypatch.setattr("m2pt.export.as_timm.normalised", lambda x, _: x + 1)
    with pytest.raises(UserError, match=r"differ by [\d.]+ from the run's own, more than the .* that rounding explains"):
        written(run_dir, "timm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]

"""A first study of somebody's own data, from `m2pt init` to its report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import timm
from PIL import Image
from safetensors.torch import save_file

from m2pt.config import AudioInput, ModelConfig
from m2pt.models.encoder import SampleEncoder
from m2pt.runs.folder import ENCODER, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.record import PretrainRecord, write_record
from m2pt.weights.saved import save_weights
from pipelines.__main__ import main
from pipelines.planning.first_study.budget import Budget
from pipelines.planning.plan import resolve
from pipelines.planning.refused_runs import all_refusals
from pipelines.planning.study_file import load as load_study
from tests.run_records import pretrain_document
from tests.specs import pretrain_spec

FEW = ("--minutes", "0.2", "--auxiliary", "audio")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return tmp_path / "work"


def photos(folder: Path, count: int = 12) -> Path:
    rng = np.random.default_rng(0)
    for name, colour in (("owl", (200, 40, 40)), ("tit", (40, 40, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            sides = tuple(rng.integers(20, 60, 2))
            pixels = np.clip(np.array(colour) + rng.normal(0, 40, (*sides, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def checkpoint(path: Path) -> Path:
    """A file of weights in timm's layout, as `timm` itself saves one."""
    model = timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=1, num_classes=5)
    save_file(model.state_dict(), path)
    return path


def ours(folder: Path, **size: int) -> Path:
    """The folder of a finished pretraining on sounds."""
    spec = pretrain_spec(modality="audio", input=AudioInput(), model=ModelConfig(**size))
    run_dir = create_run(folder, spec)
    sha256 = save_weights(run_dir / ENCODER, SampleEncoder(spec.model, "audio", spec.input, 4))
    document = pretrain_document(run_id(spec), files={ENCODER: sha256})
    write_record(run_dir, PretrainRecord.model_validate_json(json.dumps(document)))
    return run_dir


@pytest.mark.parametrize("size", [{"width": 64, "depth": 2, "heads": 1}, {"width": 32, "depth": 3, "heads": 2}])
def test_a_run_of_ours_is_an_auxiliary_whatever_its_size(project: Path, size: dict[str, int]) -> None:
    photos(project / "photos")
    run_dir, weights = ours(Path("other/encoders/calls"), **size), checkpoint(project / "vit.safetensors")
    options = ["--target", "photos", "--start", str(weights), "--auxiliary", f"audio={run_dir}", "--minutes", "0.2"]
    assert main(["init", *options]) == 0
    text = Path("study.yaml").read_text()
    assert "model: {from: start" in text
    assert f"auxiliary: {{kind: run, runs: {{audio: {run_dir}}}}}" in text
    study = load_study("study.yaml")
    assert (study.pathway.mapping is None) == (size["width"] == 64)
    plan = resolve(study)
    assert {spec.auxiliary_model.width for spec in plan.runs if spec.method == "random_auxiliary"} == {size["width"]}
    assert all_refusals(plan) == {}


def calls(folder: Path) -> Path:
    """Sounds of two species by six birds, in a table."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = ["path;species;speaker"]
    for bird in range(8):
        for number in range(3):
            time = np.arange(4000) / 8000
            tone = np.sin(2 * np.pi * (400 + 800 * (bird % 2)) * time) * 0.3 + rng.normal(0, 0.05, 4000)
            soundfile.write(folder / f"{bird}-{number}.wav", tone, 8000)
            rows.append(f"{bird}-{number}.wav;species {bird % 2};bird {bird}")
    (folder / "calls.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_photos_with_a_checkpoint_of_timm(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos(project / "photos")
    weights = checkpoint(project / "vit.safetensors")
    assert main(["init", "--target", "photos", "--start", str(weights), *FEW]) == 0
    said = capsys.readouterr().out
    assert "photos: image, 2 classes; 16 train, 4 val, 4 test" in said
    study = load_study("study.yaml")
    task = study.tasks["photos"]
    assert (study.model.width, study.model.depth, study.model.heads) == (64, 2, 1)
    assert (task.input["size"], task.input["patch"]) == (32, 8)
    assert study.encoders["start"].paths == {"image": str(weights)}
    assert len(study.sweep.seeds) >= 3
    assert main(["plan", "--study", "study.yaml"]) == 0
    assert "9 runs cannot start" not in capsys.readouterr().out


def test_sounds_in_a_table_whose_groups_are_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls(project / "calls")
    table = ["init", "--target", "calls/calls.csv", "--auxiliary", "image", "--minutes", "1"]
    assert main([*table, "--to", "first.yaml"]) == 0
    assert "The column 'speaker' may name what must not be in two splits" in capsys.readouterr().out
    assert main([*table, "--group", "speaker"]) == 0
    study = load_study("study.yaml")
    files = study.tasks["calls"].files
    assert files is not None
    assert (files.table, files.file, files.label, files.group) == ("calls.csv", "path", "species", "speaker")
    assert main(["plan", "--study", "study.yaml"]) == 0


FAULTS = {
    "no data": (["--target", "nowhere"], "nowhere: is missing"),
    "a file that is no table": (["--target", "vit.safetensors"], "vit.safetensors: is no folder and no table"),
    "a folder without such files": (["--target", "empty"], "empty: holds no pictures, sounds, clouds or videos"),
    "an unknown modality": (["--target", "photos", "--auxiliary", "smell"], "--auxiliary: 'smell' is neither a modality"),
    "weights that are none": (["--target", "photos", "--start", "photos/owl/0.png"], "photos/owl/0.png"),
    "nothing said": ([], "--target: is missing (your data"),
    "heads that do not divide": (["--target", "photos", "--heads", "3"], "--heads: 3 does not divide the width (64)"),
    "no heads": (["--target", "photos", "--heads", "0"], "--heads: 0 is no number of attention heads"),
    "its own modality": (["--target", "photos", "--auxiliary", "image"], "--auxiliary: image is the modality of the target"),
    "one class": (["--target", "photos/owl", "--modality", "image"], "is next to the class folders"),
    "a name that is none": (["--target", "photos", "--name", "x: y"], "--name: 'x: y' is no name of a study"),
    "a folder that is missing": (["--target", "photos", "--to", "nowhere/x.yaml"], "nowhere/x.yaml: its folder is missing"),
    "a name that is too long": (["--target", "photos", "--to", 300 * "n"], "cannot be written"),
    "a place among the data": (
        ["--target", "photos", "--to", "photos/x.yaml"],
        "photos/x.yaml: is within the folder of the data",
    ),
    "the name of a modality": (["--target", "photos", "--name", "audio"], "--name: 'audio' is the name of a modality"),
    "no minutes": (["--target", "photos", "--minutes", "0"], "--minutes: 0 is no budget"),
    "a table's key for folders": (["--target", "photos", "--label", "x"], "files.label: is for files that a table lists"),
    "other heads": (["--target", "photos", "--auxiliary", "audio=RUN", "--heads", "4"], "--heads: 4 is set, and there are 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_said_and_no_file_is_written(project: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    photos(project / "photos", 3)
    (project / "empty").mkdir()
    checkpoint(project / "vit.safetensors")
    options, sentence = FAULTS[fault]
    if "audio=RUN" in options:
        options = [option.replace("RUN", str(ours(Path("ours"), width=32, depth=3, heads=2))) for option in options]
    more = [] if "--minutes" in options else ["--minutes", "1"]
    assert main(["init", *options, *more, *([] if "--auxiliary" in options else ["--auxiliary", "audio"])]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(project.rglob("*.yaml")) and not list(project.glob(".*.new"))


@pytest.mark.parametrize(
    ("folder", "name"), [("2024", "2024"), ("no", "no"), ("null", "null"), ("audio", "audio-files"), ("My Photos é", "my-photos")]
)
def test_a_folder_of_any_name_gives_a_study(project: Path, folder: str, name: str) -> None:
    photos(project / folder, 4)
    assert main(["init", "--target", folder, *FEW]) == 0
    assert list(load_study("study.yaml").tasks) == [name]


def test_equal_files_with_different_labels_are_told_before_anything_trains(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(project / "photos")
    shutil.copy(project / "photos/owl/0.png", project / "photos/tit/copy.png")
    words = "file has the content of another one and another label: owl/0.png with owl and tit/copy.png with tit; one of them is"
    assert main(["init", "--target", "photos", *FEW]) == 0
    assert f"A {words}" in capsys.readouterr().out
    for command in (["check", "study.yaml"], ["plan", "--study", "study.yaml"]):
        assert main(command) == 0
        assert f"doubtful  photos: a {words}" in capsys.readouterr().out


def test_minutes_below_one_are_told_as_they_are() -> None:
    assert [Budget(1, 3, 1, minutes).about for minutes in (0.04, 0.3, 1.2, 12.4)] == [
        "about 0.04 minutes", "about 0.3 minutes", "about 1 minute", "about 12 minutes"
    ]  # fmt: skip


def test_a_file_that_is_there_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "study.yaml").write_text("mine")
    assert main(["init", "--target", "photos", *FEW]) == 2
    assert "study.yaml: is there already" in capsys.readouterr().err
    assert (project / "study.yaml").read_text() == "mine"


@pytest.mark.patient
@pytest.mark.parametrize("kind", ["photos", "calls"])
def test_a_first_study_runs_to_its_report(project: Path, kind: str) -> None:
    if kind == "photos":
        photos(project / "photos")
        options = ["--target", "photos", "--start", str(checkpoint(project / "vit.safetensors"))]
        options += ["--auxiliary", f"audio={ours(project / 'other', width=32, depth=3, heads=2)}"]
    else:
        calls(project / "calls")
        options = ["--target", "calls/calls.csv", "--group", "speaker", "--auxiliary", "image"]
    assert main(["init", *options, "--minutes", "0.5"]) == 0
    assert main(["study", "--study", "study.yaml"]) == 0
    report = (project / "build" / kind / "reports" / "report.md").read_text()
    assert f"Study {kind}" in report and "all complete" in report
    assert "## Your own data" in report and f"Sizes of {kind}" in report
    shutil.rmtree(project / "build")

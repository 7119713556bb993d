"""The user's own small data are looked at by the plan: what their lists say keeps runs from starting before anything trains."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from m2pt import job
from m2pt.config import AudioInput, EmbeddedData, ImageInput, PointInput, VideoInput
from m2pt.config.study_file import load_study
from m2pt.modalities.registry import SPECS
from m2pt.runs.folder import create_run
from m2pt.runs.inputs import write_inputs
from pipelines.__main__ import main
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import resolve

STUDY = """
study: own
data: {root: data}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae, steps: 1}}
finetune: {samples: 8, batch_size: 4, epochs: 1}
sweep: {seeds: [0, 1], targets: [image], auxiliaries: [], methods: [baseline, own_apart], settings: [scratch],
        target_encoder: mae, auxiliary_encoder: mae}
execution: {devices: cpu, slots: 1}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures of two classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(STUDY)
    for split in ("pretrain", "train", "val", "test"):
        for label, name in enumerate(("one", "two")):
            for number in range(4):
                path = tmp_path / f"data/image/{split}/{name}/{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((16, 16), 100 * label + number, np.uint8)).save(path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    assert main(["plan", "--study", "own.yaml", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["refused"]


def without(*places: str) -> None:
    for place in places:
        for path in sorted(Path("data/image").glob(place)):
            for member in path.iterdir() if path.is_dir() else ():
                member.unlink() if member.is_file() else without(str(member.relative_to("data/image")))
            path.rmdir() if path.is_dir() else path.unlink()


def test_data_that_are_there_are_not_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    assert refused(capsys) == {}


CASES = {
    "no test split": (["test/*", "test"], "", "data/image/test: the split is missing", 4),
    "no class in a split": (["val/two"], "", "data/image/val: has no sample of class 'two'", 4 + 1),
    "no pretraining split": (["pretrain/*", "pretrain"], "", "data/image/pretrain: the split is missing", 1),
    "more samples than there are": ([], "samples: 9", "finetune.samples: 9 requested, but the train split of image has 8", 4),
    "a single sample": ([], "samples: 1", "finetune.samples: a single training sample has a single answer", 4),
    "odd batches that are mixed": ([], "batch_size: 3, mixup: 0.2", "finetune.batch_size: mixing takes samples in pairs", 4),
    "an odd rest that is mixed": ([], "samples: 7, mixup: 0.2", "mixing takes samples in pairs, and a batch has 3", 4),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["study", "pretrain", "sweep"])
def test_what_cannot_start_is_planned_and_refused_before_an_encoder_trains(
    project: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
):
    gone, changed, sentence, count = CASES[case]
    without(*gone)
    kept = [item for item in ("samples: 8", "batch_size: 4", "epochs: 1") if item.partition(":")[0] not in changed]
    Path("own.yaml").write_text(
        STUDY.replace("{samples: 8, batch_size: 4, epochs: 1}", f"{{{', '.join(filter(None, [*kept, changed]))}}}")
    )
    ((reason, names),) = refused(capsys).items()
    assert sentence in reason
    assert len(names) == count
    assert main([command, "--study", "own.yaml"]) == 2
    told = capsys.readouterr().err
    assert f"own: {count} of 5 runs cannot start: {reason}" in told
    assert len(told.splitlines()) == 1
    assert not Path("encoders").exists() and not Path("runs/own").exists(), "nothing was begun"


def test_the_plan_says_what_the_job_says(project: Path, capsys: pytest.CaptureFixture[str]):
    without("val/two")
    (reason,) = refused(capsys)
    plan = resolve(load_study("own.yaml"))
    spec = next(spec for spec in plan.runs if spec.method == "baseline")
    run_dir = create_run(Path("runs/own"), spec)
    write_inputs(run_dir, job_inputs(plan, spec))
    assert job.run(run_dir) == reason


INPUTS = {"image": ImageInput(), "audio": AudioInput(), "point": PointInput(), "video": VideoInput()}


@pytest.mark.parametrize("modality", INPUTS)
def test_the_lists_say_what_reading_says(tmp_path: Path, modality: str):
    """Samples are listed in the order in which they are read, with the same labels and classes."""
    spec = SPECS[modality]
    spec.embedded().write(tmp_path / modality, EmbeddedData(pretrain=10, train=20, val=10, test=10))
    samples = spec.small(tmp_path / modality, "train", INPUTS[modality])
    lists = spec.small_lists(tmp_path / modality, "train", INPUTS[modality])
    assert lists.labels == tuple(samples.y.tolist())
    assert lists.classes == samples.classes
    assert len(lists.paths) == 20


def test_sizes_of_embedded_data_are_checked_with_the_file(project: Path, capsys: pytest.CaptureFixture[str]):
    text = STUDY.replace("data: {root: data}", "data: {root: data, embedded: {train: 5, val: 9, test: 20}}")
    Path("own.yaml").write_text(text)
    assert main(["plan", "--study", "own.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "m2pt: own.yaml: 2 faults:",
        "  own.yaml:3: data.embedded.train: 5 is too few for 10 classes; give 10 or more.",
        "  own.yaml:3: data.embedded.val: 9 is too few for 10 classes; give 10 or more.",
    ]


def test_devices_are_checked_with_the_file(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("own.yaml").write_text(STUDY.replace("devices: cpu", "devices: [gpu]"))
    assert main(["plan", "--study", "own.yaml"]) == 2
    assert capsys.readouterr().err.startswith("m2pt: own.yaml:9: execution.devices: 'gpu' is not a CUDA device; write an index")


def test_a_file_of_weights_without_a_path_is_told_with_its_line(project: Path, capsys: pytest.CaptureFixture[str]):
    text = STUDY.replace("{mae: {kind: mae, steps: 1}}", "{mae: {kind: file, paths: {audio: here.pth}}}")
    Path("own.yaml").write_text(text)
    assert main(["plan", "--study", "own.yaml"]) == 2
    assert "own.yaml:5: encoders.mae.paths.image: is missing, but the sweep uses this encoder" in capsys.readouterr().err


def embedded(text: str) -> str:
    """The study on embedded data in a folder that is not there."""
    return text.replace("{root: data}", "{root: made, embedded: {pretrain: 20, train: 20, val: 20, test: 20}}")


UNTRAINABLE = {
    "a warm-up of pretraining": (
        "steps: 1}", "steps: 30}}\npretrain: {mae: {warmup_steps: 31}",
        "pretrain.mae.warmup_steps: 31 are more than the 30 steps of the encoder mae; lower it.", 1,
    ),
    "a warm-up of fine-tuning": (
        "epochs: 1", "epochs: 2, warmup_steps: 5",
        "finetune.warmup_steps: 5 are more than the 4 steps of the run; lower it.", 4,
    ),
    "width": (
        "width: 16", "width: 1000000",
        "model: 2 blocks of width 1000000 have 2.4e+13 parameters, which need at least 357,628 GiB of memory", 5,
    ),
    "a folder that cannot be made": (
        "root: made", "root: /proc/nope", "data.root: /proc/nope cannot be made (No such file or directory)", 5,
    ),
    "a folder below a file": ("root: made", "root: own.yaml/data", "own.yaml/data cannot be made (Not a directory)", 5),
    "a folder of something else": ("root: made", "root: data/image", "data/image: was not made by m2pt; delete it, or", 5),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTRAINABLE)
def test_what_would_fail_or_be_cut_short_is_planned_and_refused(project: Path, capsys: pytest.CaptureFixture[str], case: str):
    old, new, sentence, count = UNTRAINABLE[case]
    text = embedded(STUDY)
    assert old in text
    Path("own.yaml").write_text(text.replace(old, new))
    before = sorted(Path().rglob("*"))
    ((reason, names),) = refused(capsys).items()
    assert sentence in reason and len(names) == count
    assert sorted(Path().rglob("*")) == before, "planning leaves nothing behind"
    assert main(["study", "--study", "own.yaml"]) == 2
    assert f"{count} of 5 runs cannot start: {reason}" in capsys.readouterr().err
    assert not Path("encoders").exists() and not Path("runs/own").exists()


def test_what_fits_is_not_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    text = embedded(STUDY).replace("steps: 1}", "steps: 30}}\npretrain: {mae: {warmup_steps: 30, batch_size: 500}")
    Path("own.yaml").write_text(text.replace("epochs: 1", "epochs: 2, warmup_steps: 4"))
    assert refused(capsys) == {}, "batches of pretraining are drawn with replacement"

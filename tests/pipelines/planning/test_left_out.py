"""Samples that are absent or cannot be read: which they are follows from the run's id, and people see how many they are."""

import json
import re
from pathlib import Path

import av
import h5py
import numpy as np
import pandas as pd
import pytest

from m2pt import job
from m2pt.config import UserError
from m2pt.config.study_file import load_study
from m2pt.modalities.shared.items import Items
from m2pt.modalities.video.datasets.kinetics import VideoItems
from m2pt.runs.folder import HISTORY, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import write_inputs
from m2pt.runs.record import Counts, FinetuneRecord, read_record, write_record
from m2pt.runs.spec import RunSpec
from m2pt.training import availability
from pipelines.__main__ import main
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import render_report
from pipelines.tracking.publication import read_publication

STUDY = """
study: holes
data: {root: data}
model: {width: 24, depth: 1, heads: 2}
encoders: {}
tasks:
  TASKS
sweep: {seeds: [0], targets: [TARGETS], auxiliaries: [], methods: [baseline], settings: [scratch], tunings: [full],
        target_encoder: random, auxiliary_encoder: random}
"""
FINETUNE = "finetune: {batch_size: 4, epochs: 2, warmup_epochs: 0, learning_rate: 0.05, samples: all}"
VIDEO = "modality: video, dataset: kinetics, path: videos, recipes: {full: videomae-kinetics400}"
VIDEO_INPUT = "input: {frames: 4, stride: 2, size: 32, patch: 16, tubelet: 2}"
CLOUD = "modality: point, dataset: scanobjectnn, path: clouds, recipes: {full: point-mae-scanobjectnn}"
CLOUD_INPUT = "input: {points: 48, groups: 8, neighbours: 6}"


def write(tasks: dict[str, str]) -> None:
    lines = "\n  ".join(f"{name}: {{{fields}}}" for name, fields in tasks.items())
    Path("holes.yaml").write_text(STUDY.replace("TASKS", lines).replace("TARGETS", ", ".join(tasks)))


def specs() -> dict[str, RunSpec]:
    return {spec.target: spec for spec in resolve(load_study("holes.yaml")).runs}


def run(target: str) -> Path:
    """The folder of the target's run, done; raises what the run says where it fails."""
    plan = resolve(load_study("holes.yaml"))
    (spec,) = [spec for spec in plan.runs if spec.target == target]
    run_dir = create_run(Path("runs/holes"), spec)
    write_inputs(run_dir, job_inputs(plan, spec))
    if error := job.run(run_dir):
        raise UserError(error)
    return run_dir


def record(target: str) -> FinetuneRecord:
    return read_record(run(target), FinetuneRecord)


def write_video(path: Path, grey: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 48
        stream.pix_fmt = "yuv420p"
        for _ in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 48, 3), grey, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def videos(here: Path) -> Path:
    """Eight videos to train with and 24 to test on, all there."""
    folder = Path("data/videos")
    folder.mkdir(parents=True)
    for split, count in (("train", 8), ("val", 24)):
        for number in range(count):
            write_video(folder / f"{split}{number}.mp4", 60 + 120 * (number % 2))
        (folder / f"{split}.csv").write_text("".join(f"{split}{number}.mp4 {number % 2}\n" for number in range(count)))
    return folder


def video_task(extra: str = "") -> None:
    write({"videos": f"{VIDEO}, {VIDEO_INPUT}, {FINETUNE}{extra}"})


@pytest.fixture
def clouds(here: Path) -> Path:
    """ScanObjectNN in two variants: cloud 3 of the first variant's training file is damaged, cloud 7 of the second's."""
    folder = Path("data/clouds")
    (folder / "main_split").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for variant, damaged in (("objectdataset", 3), ("objectdataset_augmentedrot_scale75", 7)):
        for split in ("training", "test"):
            points = rng.normal(size=(30, 64, 3)).astype(np.float32)
            if split == "training":
                points[damaged] = np.nan
            with h5py.File(folder / f"main_split/{split}_{variant}.h5", "w") as file:
                file["data"], file["label"] = points, np.arange(30) % 15
    return folder


def cloud_tasks(*names: str, limit: float = 0.1) -> None:
    """Tasks on variants: the same target name may stand for another variant after the study was edited."""
    fields = f"{CLOUD}, {CLOUD_INPUT}, {FINETUNE}, unreadable: skip, max_unreadable: {limit}"
    write({name.partition("=")[0]: f"{fields}, variant: {name.partition('=')[2]}" for name in names})


def test_another_variant_leaves_out_its_own_samples(clouds: Path) -> None:
    cloud_tasks("clouds=obj_bg")
    first = record("clouds")
    cloud_tasks("clouds=hardest")  # the same target, folder and content of the data
    second = record("clouds")
    for found, name in ((first, "training_objectdataset.h5, cloud 3"), (second, "scale75.h5, cloud 7")):
        assert found.samples["train"] == Counts(listed=30, absent=0, unreadable=1)
        (sentence,) = found.skipped
        assert name in sentence
    assert first.samples_sha256 != second.samples_sha256


def test_what_was_seen_in_another_form_is_not_taken_for_this_one(clouds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of what a reader is asked is in the name of what is remembered, and so is the code that read."""
    cloud_tasks("clouds=obj_bg")
    (spec,) = specs().values()
    cache = Path("cache")

    def names(changed: RunSpec, folder: Path = clouds, split: str = "train") -> set[str]:
        before = set(cache.rglob("*.json"))
        availability.available(changed, folder, split, cache, decode=True)
        return {path.name for path in set(cache.rglob("*.json")) - before}

    assert names(spec) and not names(spec)
    assert not names(spec.model_copy(update={"seed": 3})), "what is there hangs on no seed"
    task = spec.task
    assert task is not None
    assert names(spec.model_copy(update={"task": task.model_copy(update={"variant": "hardest"})}))
    assert names(spec.model_copy(update={"input": spec.input.model_copy(update={"points": 32})}))
    assert names(spec.model_copy(update={"data_sha256": "e" * 64}))
    assert names(spec, split="test")
    assert names(spec, folder=clouds.resolve())
    for part, value in (("version", "0.0.1"), ("readers_sha256", "c" * 64)):
        with monkeypatch.context() as other:
            other.setattr(f"m2pt.data.cache_keys.{part}", lambda _, value=value: value)
            assert names(spec)


def test_a_fault_of_the_disk_is_no_damage(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what follows from the content of the data is left out: a file that cannot be had today ends the run."""
    video_task(", unreadable: skip, max_unreadable: 0.5")
    test = VideoItems.test

    def faulty(self: Items, index: int) -> object:
        if self.file(index).name == "val3.mp4":
            raise UserError(f"{self.file(index)}: is not a complete video")
        return test(self, index)

    monkeypatch.setattr(VideoItems, "test", faulty)
    sha = availability.file_sha256

    def refused(path: Path) -> str:
        if path.name == "val3.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return sha(path)

    monkeypatch.setattr(availability, "file_sha256", refused)
    with pytest.raises(UserError, match=r"val3\.mp4: cannot be read \(Permission denied\)"):
        run("videos")
    assert '"unreadable": null' in "".join(path.read_text() for path in Path(".m2pt").rglob("available/*.json"))


def test_what_can_be_read_the_second_time_is_not_left_out(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video_task(", unreadable: skip")
    test, failed = VideoItems.test, []

    def shaky(self: Items, index: int) -> object:
        if self.file(index).name == "val3.mp4" and not failed:
            failed.append(index)
            raise UserError(f"{self.file(index)}: is not a complete video")
        return test(self, index)

    monkeypatch.setattr(VideoItems, "test", shaky)
    found = record("videos")
    assert failed and found.skipped == () and found.test_samples == 24


def remove(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"val{number}.mp4").unlink()


def test_absent_files_end_a_run_before_it_starts(videos: Path) -> None:
    remove(videos, 18)
    video_task()
    message = (
        r"the test split lacks 18 of 24 samples \(18 absent, 0 unreadable\), more than .*unreadable \(fail\) allows, .*val0\.mp4"
    )
    with pytest.raises(UserError, match=message):
        run("videos")


@pytest.mark.parametrize(("limit", "allowed"), [("", False), (", max_unreadable: 0.7", False), (", max_unreadable: 0.75", True)])
def test_more_than_the_declared_share_ends_a_run_before_it_starts(videos: Path, limit: str, allowed: bool) -> None:
    remove(videos, 18)
    video_task(f", unreadable: skip{limit}")
    if allowed:
        assert record("videos").test_samples == 6
        return
    with pytest.raises(UserError, match=r"18 of 24 samples .*, more than tasks\.videos\.max_unreadable \(0\.\d+\) allows"):
        run("videos")
    assert not list(Path("runs/holes").rglob(HISTORY))


def test_one_in_a_hundred_may_be_missing_unless_said_otherwise(videos: Path) -> None:
    for number in range(24, 100):
        (videos / f"val{number}.mp4").write_bytes((videos / "val1.mp4").read_bytes())
    (videos / "val.csv").write_text("".join(f"val{number}.mp4 {number % 2}\n" for number in range(100)))
    (videos / "val99.mp4").unlink()
    video_task(", unreadable: skip")
    assert record("videos").samples["test"] == Counts(listed=100, absent=1, unreadable=0)
    (videos / "val98.mp4").write_bytes(b"no video")
    with pytest.raises(
        UserError, match=r"2 of 100 samples \(1 absent, 1 unreadable\), more than tasks\.videos\.max_unreadable \(0\.01\)"
    ):
        run("videos")


def test_nothing_left_to_train_or_to_score_is_one_sentence(videos: Path) -> None:
    remove(videos, 24)
    video_task(", unreadable: skip, max_unreadable: 0.99")
    with pytest.raises(UserError, match="the test split lacks 24 of 24 samples") as caught:
        run("videos")
    assert "\n" not in str(caught.value)


def test_a_share_is_refused_where_nothing_is_skipped(videos: Path) -> None:
    video_task(", max_unreadable: 0.1")
    with pytest.raises(UserError, match="max_unreadable: limits what is skipped, but nothing is skipped"):
        load_study("holes.yaml")


def test_a_run_goes_on_with_the_samples_that_it_began_with_or_not_at_all(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video_task(", unreadable: skip, max_unreadable: 0.5")
    finished = job.finetune.__globals__["evaluate"]

    def killed(*arguments: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setitem(job.finetune.__globals__, "evaluate", killed)  # after training, with its checkpoint written
    with pytest.raises(KeyboardInterrupt):
        run("videos")
    monkeypatch.setitem(job.finetune.__globals__, "evaluate", finished)
    monkeypatch.setattr("m2pt.data.cache_keys.version", lambda name: "0.0.1")  # other decoders ...
    test = VideoItems.test

    def other(self: Items, index: int) -> object:  # ... which cannot read what the first could
        if self.file(index).name == "val3.mp4":
            raise UserError(f"{self.file(index)}: is not a complete video")
        return test(self, index)

    monkeypatch.setattr(VideoItems, "test", other)
    with pytest.raises(UserError, match="the readable samples have changed since it was interrupted"):
        run("videos")


def planned(capsys: pytest.CaptureFixture[str]) -> tuple[str, dict]:
    """What `plan` prints, and its document."""
    assert main(["plan", "--study", "holes.yaml"]) == 0
    text = capsys.readouterr().out
    assert main(["plan", "--study", "holes.yaml", "--json"]) == 0
    return text, json.loads(capsys.readouterr().out)


def test_a_plan_says_what_is_absent_and_what_nobody_has_looked_at(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove(videos, 18)
    (videos / "train3.mp4").write_bytes(b"no video")
    video_task(", unreadable: skip, max_unreadable: 0.8")
    text, document = planned(capsys)
    (entry,) = document["samples"]
    assert entry["target"] == "videos" and entry["fault"] is None
    assert entry["splits"] == {
        "train": {"listed": 8, "kept": 8, "absent": 0, "unreadable": None},
        "test": {"listed": 24, "kept": 6, "absent": 18, "unreadable": None},
    }
    assert "train 8, none absent, readability not checked yet" in text
    assert "test lacks 18 of 24 samples (18 absent, readability not checked yet)" in text
    run("videos")
    text, document = planned(capsys)
    assert document["samples"][0]["splits"]["train"] == {"listed": 8, "kept": 7, "absent": 0, "unreadable": 1}
    assert "train lacks 1 of 8 samples (0 absent, 1 unreadable)" in text
    assert main(["status", "--study", "holes.yaml"]) == 0
    assert "test lacks 18 of 24 samples (18 absent, 0 unreadable)" in capsys.readouterr().out


def test_a_plan_says_which_runs_cannot_start(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove(videos, 18)
    video_task(", unreadable: skip")
    text, document = planned(capsys)
    assert "more than tasks.videos.max_unreadable (0.01) allows" in text
    assert "18 of 24" in document["samples"][0]["fault"]
    (cell,) = document["cells"]
    assert cell["gpu_hours"] is None and "18 of 24" in cell["refused"], "what cannot start costs nothing"
    assert "Remaining GPU hours: about 0" in text
    (videos / "val.csv").write_text("")
    text, document = planned(capsys)
    assert "cannot start: data/videos/val.csv: is empty" in text


def test_held_out_samples_are_counted_where_they_are_used(videos: Path) -> None:
    (videos / "train3.mp4").write_bytes(b"no video")
    (videos / "train4.mp4").unlink()
    video_task(", unreadable: skip, max_unreadable: 0.8, holdout: 0.25")
    found = record("videos").samples
    assert (found["train"].listed, found["val"].listed) == (6, 2)
    for kind in ("absent", "unreadable"):
        assert getattr(found["train"], kind) + getattr(found["val"], kind) == 1 and getattr(found["test"], kind) == 0


def test_everybody_is_told_what_was_left_out(videos: Path) -> None:
    remove(videos, 18)
    (videos / "train3.mp4").write_bytes(b"no video")
    video_task(", unreadable: skip, max_unreadable: 0.8")
    run_dir = run("videos")
    page = render_report(resolve(load_study("holes.yaml")), Path("reports"))
    (row,) = pd.read_csv("reports/results.csv").to_dict("records")
    counts = {"train_samples": 7, "train_absent": 0, "train_unreadable": 1}
    counts |= {"test_samples": 6, "test_absent": 18, "test_unreadable": 0}
    assert {name: row[name] for name in counts} == counts
    assert row["samples_sha256"] == read_record(run_dir, FinetuneRecord).samples_sha256
    text, html = Path("reports/report.md").read_text(), page.read_text()
    assert "| videos | test | 24 | 6 | 18 | 0 | 1 |" in text and "| videos | train | 8 | 7 | 0 | 1 | 1 |" in text
    assert text.index("Not all samples of the data were used") < text.index("## ") and "was left out" in html
    assert "train 7 of 8; test 6 of 24" in text and "train 7 of 8; test 6 of 24" in page.with_name("origin.html").read_text()
    assert "Nothing:" not in text and "Nothing:" not in html and "Samples that are listed but were left out" in html
    publication = read_publication(specs()["videos"], run_dir)
    values = {point.key: point.value for point in publication.summary}
    assert values["7_samples/test_absent"] == 18 and values["7_samples/train_unreadable"] == 1
    assert values["7_samples/test_kept"] == 6
    assert publication.tags["left_out"] == "train: 0 absent, 1 unreadable of 8; test: 18 absent, 0 unreadable of 24"
    assert publication.params["task.max_unreadable"] == "0.8"


def test_runs_of_different_samples_are_told_apart(videos: Path) -> None:
    """As after an update of a decoder between two runs: the same id would be read otherwise now, and the report says so."""
    video_task(", unreadable: skip, max_unreadable: 0.8")
    text = Path("holes.yaml").read_text().replace("methods: [baseline]", "methods: [baseline, random_auxiliary]")
    Path("holes.yaml").write_text(text.replace("seeds: [0]", "seeds: [0, 1]"))
    plan = resolve(load_study("holes.yaml"))
    for spec in plan.runs:
        run_dir = create_run(Path("runs/holes"), spec)
        write_inputs(run_dir, job_inputs(plan, spec))
        assert job.run(run_dir) is None
    render_report(plan, Path("reports"))
    assert "ifferent samples" not in Path("reports/report.md").read_text()
    changed = Path("runs/holes") / run_id(next(spec for spec in plan.runs if spec.method == "baseline" and spec.seed == 1))
    record = read_record(changed, FinetuneRecord)
    write_record(changed, record.model_copy(update={"samples_sha256": "e" * 64, "test_samples": 23}))
    page = render_report(plan, Path("reports"))
    for told in (Path("reports/report.md").read_text(), page.read_text()):
        assert "videos: its runs did not all use the same samples (3 runs tested on 24; 1 run tested on 23)" in told
        assert told.count("ifferent samples") >= 2, "the comparison itself is marked"
    assert "different samples" in next(Path("reports/cells").glob("videos-from-random*.html")).read_text()


@pytest.mark.parametrize(
    ("listing", "line", "message"),
    [
        ("train.csv", "./train3.mp4 1\n", r"train3\.mp4.* twice"),
        ("train.csv", ".hidden/train3.mp4 1\n", r"names '\.hidden/train3\.mp4', and dotfiles belong to no data set"),
        ("val.csv", "train3.mp4 1\n", r"train3\.mp4: is listed in the train split and in the test split"),
    ],
)
def test_a_sample_that_is_listed_twice_is_named(
    videos: Path, capsys: pytest.CaptureFixture[str], listing: str, line: str, message: str
) -> None:
    """Another sample of the list is missing then, or the test knows what was trained with."""
    with (videos / listing).open("a") as file:
        file.write(line)
    video_task()
    with pytest.raises(UserError, match=message):
        run("videos")
    assert re.search(message, planned(capsys)[0])


def test_names_longer_than_any_file_has_are_absent(videos: Path) -> None:
    with (videos / "train.csv").open("a") as listing:
        listing.write("x" * 300 + ".mp4 1\n")
    video_task(", unreadable: skip, max_unreadable: 0.2")
    assert record("videos").samples["train"] == Counts(listed=9, absent=1, unreadable=0)


def test_content_that_was_not_fetched_is_absent(videos: Path) -> None:
    """git-annex and DVC leave links to nothing."""
    (videos / "val3.mp4").unlink()
    (videos / "val3.mp4").symlink_to("../annex/val3")
    video_task(", unreadable: skip, max_unreadable: 0.1")
    assert record("videos").samples["test"] == Counts(listed=24, absent=1, unreadable=0)


def test_a_plan_costs_no_run_that_has_one_answer_alone(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (videos / "train.csv").write_text("".join(f"train{number}.mp4 1\n" for number in range(8)))
    video_task()
    main(["plan", "--study", "holes.yaml"])
    said = "videos: all 8 training samples are of one class, '1', so there is nothing to learn"
    assert f"cannot start: {said}" in capsys.readouterr().out
    with pytest.raises(UserError, match=said):
        run("videos")


def test_a_class_that_the_training_never_shows_is_not_asked_for(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (videos / "val.csv").write_text((videos / "val.csv").read_text().replace("val5.mp4 1", "val5.mp4 2"))
    video_task()
    main(["plan", "--study", "holes.yaml"])
    said = "val5.mp4: is of class '2', of which the training split has no sample"
    assert said in capsys.readouterr().out
    with pytest.raises(UserError, match=said):
        run("videos")

"""Kinetics in its published lists: which frames are read and shown how, and what is said of what is not as it should be."""

import pickle

import av
import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import AudioInput, TestConfig, UserError, VideoAugment, VideoInput
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.video.items import SHORT_SIDE, Converter
from tests.modalities.video.coded import CODE, numbered, numbers, write_video

CONFIG = VideoInput(frames=4, stride=3, size=CODE, channels=1, tubelet=2, patch=12)
PLAIN = VideoAugment(crop_scale=(1.0, 1.0), flip=0.0)  # of a square video the whole frame
VIEWS = TestConfig(clips=5, crops=3)
WANTED = Wanted(CONFIG, PLAIN, VIEWS, "classification")
TOTAL = 100


def opened(folder, split, wanted=WANTED):
    return declared("kinetics").open(folder, split, wanted)


@pytest.fixture
def folder(tmp_path):
    write_video(tmp_path / "train" / "square.mp4", numbered(TOTAL, CODE, CODE), lossless=True, options={"g": "12", "bf": "2"})
    write_video(tmp_path / "train" / "and short.mp4", numbered(5, CODE, CODE), lossless=True)
    write_video(tmp_path / "val" / "wide.mp4", numbered(TOTAL, 3 * CODE, CODE), lossless=True, options={"g": "30"})
    (tmp_path / "train.csv").write_text("train/square.mp4 1\ntrain/and short.mp4 0\n")
    (tmp_path / "val.csv").write_text("val/wide.mp4 2\n")
    return tmp_path


def test_lists_and_labels_are_known_without_reading_videos(folder):
    items = opened(folder, "train")
    assert len(items) == 2
    assert items.labels.tolist() == [1, 0] and items.labels.dtype == torch.int64
    assert items.classes == ("0", "1", "2")  # the highest label is in another list
    assert items.name(1) == str(folder / "train" / "and short.mp4")
    assert opened(folder, "test").classes == ("0", "1", "2")


def test_a_training_clip_is_dense_random_and_follows_from_its_seed(folder):
    items = opened(folder, "train")
    starts = set()
    for seed in range(12):
        item = items.train(0, seed)
        assert item["x"].shape == (1, 4, CODE, CODE) and item["x"].dtype == torch.float32
        assert item["y"].dtype == torch.int64 and item["y"].shape == () and item["y"] == 1
        read = numbers(item["x"])
        assert [number - read[0] for number in read] == [0, 4, 8, 11]  # a window of 12 frames, both ends
        assert torch.equal(items.train(0, seed)["x"], item["x"])
        starts.add(read[0])
    assert len(starts) > 6 and max(starts) < TOTAL - 12


def test_a_short_video_repeats_its_last_frame(folder):
    # One place (5 // 3) at the beginning, the rest at the end.
    assert numbers(opened(folder, "train").train(1, 0)["x"]) == [0, 4, 4, 4]
    assert [numbers(view) for view in opened(folder, "train").test(1)["x"]] == [[0, 4, 4, 4]]


def test_test_views_are_clips_from_beginning_to_end_with_crops_from_left_to_right(folder):
    views = opened(folder, "test").test(0)["x"]
    assert views.shape == (15, 1, 4, CODE, CODE)
    columns = [round(float(view[0, 0, -1, 0]) * 255) for view in views]
    assert columns == [0, CODE, 2 * CODE] * 5
    # 34 frames remain at a stride of 3; four of them from places 0, 7.5, 15, 22.5 and 30 on.
    assert [numbers(view) for view in views] == [
        [3 * (start + k) for k in range(4)] for start in (0, 7, 15, 22, 30) for _ in range(3)
    ]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_videos_are_seen_as_they_are_shown(folder, rotation):
    """The same video, stored lying on its side or on its head with a note that says so."""
    upright = [opened(folder, "test").test(0)["x"], opened(folder, "test").train(0, 5)["x"]]
    stored = np.ascontiguousarray(np.rot90(numbered(TOTAL, 3 * CODE, CODE), -rotation // 90, axes=(1, 2)))
    write_video(folder / "val" / "wide.mp4", stored, lossless=True, options={"g": "30"}, rotation=rotation)
    items = opened(folder, "test")
    for views, truth in zip((items.test(0)["x"], items.train(0, 5)["x"]), upright, strict=True):
        assert torch.equal(views, truth)


def test_validation_looks_at_the_centre_once(folder):
    (folder / "test.csv").write_text("train/square.mp4 1\n")
    views = opened(folder, "val").test(0)["x"]
    assert views.shape == (1, 1, 4, CODE, CODE)
    assert numbers(views[0]) == [44, 48, 52, 55]  # the window of 12 around the middle of 100
    assert round(float(views[0, 0, 0, -1, 0]) * 255) == CODE
    one = Wanted(CONFIG, PLAIN, TestConfig(), "classification")
    assert torch.equal(opened(folder, "test", one).test(0)["x"], opened(folder, "train").test(0)["x"])


def test_without_augmentation_training_clips_are_test_clips(folder):
    items = opened(folder, "train", Wanted(CONFIG, None, VIEWS, "classification"))
    assert torch.equal(items.train(0, 3)["x"], items.test(0)["x"][0])


def test_items_are_the_same_in_another_process(folder):
    wanted = Wanted(CONFIG, VideoAugment(policy="rand-m7-n4-mstd0.5-inc1", erasing=0.25), VIEWS, "classification")
    items = opened(folder, "train", wanted)
    copy = pickle.loads(pickle.dumps(items))
    assert torch.equal(items.train(0, 7)["x"], copy.train(0, 7)["x"])
    assert torch.equal(items.test(0)["x"], copy.test(0)["x"])


def test_a_still_video_stays_still_in_colour(folder):
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    write_video(folder / "still.mkv", np.stack([frame] * 20), codec="ffv1")
    (folder / "train.csv").write_text("still.mkv,0\n")
    (folder / "val.csv").write_text("val/wide.mp4,1\n")
    config = VideoInput(frames=4, stride=2, size=32, channels=3, tubelet=2, patch=8)
    items = opened(folder, "train", Wanted(config, VideoAugment(policy="rand-m7-n4-mstd0.5-inc1"), VIEWS, "classification"))
    clips = [items.train(0, seed)["x"] for seed in range(4)]
    for clip in clips:
        assert clip.shape == (3, 4, 32, 32)
        assert torch.equal(clip, clip[:, :1].expand_as(clip))
    assert not torch.equal(clips[0], clips[1])
    with av.open(str(folder / "still.mkv")) as container:
        truth = next(container.decode(video=0)).to_ndarray(format="rgb24")
    config = config.model_copy(update={"size": 48})
    shown = opened(folder, "train", Wanted(config, None, VIEWS, "classification")).test(0)["x"][0, :, 0]
    np.testing.assert_allclose(shown.permute(1, 2, 0).numpy() * 255, truth[:, 8:56], atol=1e-3)


def test_large_videos_are_scaled_down_while_they_are_decoded():
    converter = Converter(VideoInput(frames=4, size=224, channels=3, tubelet=2, patch=16))
    assert converter(av.VideoFrame(1280, 720, "yuv420p")).shape == (SHORT_SIDE, 569, 3)
    assert converter(av.VideoFrame(640, 360, "yuv420p")).shape == (SHORT_SIDE, 569, 3)  # the same for all frames of a video
    small = Converter(VideoInput(frames=4, size=224, channels=1, tubelet=2, patch=16))
    assert small(av.VideoFrame(340, 256, "yuv420p")).shape == (256, 340)


def test_the_published_test_list_is_the_validation_list(folder):
    assert opened(folder, "val") is None  # val.csv is what is tested
    assert opened(folder, "test").name(0).endswith("wide.mp4")
    (folder / "test.csv").write_text("val/wide.mp4 2\n")
    assert opened(folder, "val") is None  # the same videos in both
    (folder / "test.csv").write_text("train/square.mp4 1\n")
    assert opened(folder, "val").name(0).endswith("wide.mp4")
    assert opened(folder, "test").name(0).endswith("square.mp4")


def test_entries_may_be_written_in_several_ways(folder):
    lines = [
        "train/a.mp4,1",
        "",
        "train/b.mp4   2",
        f"{folder}/val/wide.mp4 0",
        "train/c.mp4\t1",
        "train/and short.mp4, 1",
        '"train/in quotes, 7.mp4",2',
        '"train/in quotes.mp4" "3"',
    ]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    items = opened(folder, "train")
    assert items.labels.tolist() == [1, 2, 0, 1, 1, 2, 3]
    names = ["train/a.mp4", "train/b.mp4", "val/wide.mp4", "train/c.mp4", "train/and short.mp4"]
    names += ["train/in quotes, 7.mp4", "train/in quotes.mp4"]
    assert [items.name(index) for index in range(7)] == [str(folder / name) for name in names]
    assert all(items.test(index)["x"].shape[0] == 1 for index in (2, 4))
    with pytest.raises(UserError, match=r"train/in quotes\.mp4: is missing"):
        items.test(6)


def test_a_video_that_is_listed_twice_is_named(folder):
    for again in ("train/square.mp4 1", "./train/square.mp4 0", f"{folder}/train/square.mp4 1"):
        (folder / "train.csv").write_text(f"train/square.mp4 1\n{again}\n")
        with pytest.raises(UserError, match=r"train\.csv: names '.*train/square\.mp4' twice"):
            opened(folder, "train")


def test_names_of_classes_must_not_compete(folder):
    (folder / "kinetics_400_labels.csv").write_text("id,name\n0,run\n1,jump\n2,sit\n")
    for other in ("classes.txt", "kinetics_600_labels.csv"):
        (folder / other).write_text("run\njump\nsit\n")
        with pytest.raises(UserError, match=r"holds .* and kinetics_.00_labels\.csv, which both name the classes"):
            opened(folder, "train")
        (folder / other).unlink()
    (folder / "kinetics_400_labels.csv").write_text('0, "run, or walk"\n1,jump\n2,sit\n')
    assert opened(folder, "train").classes == ("run, or walk", "jump", "sit")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("classes.txt", "run\njump\nclean and jerk\n"),
        ("kinetics_400_labels.csv", "id,name\n0,run\n2,clean and jerk\n1,jump\n"),
        ("kinetics_400_labels.csv", "0,run\n1,jump\n2,clean and jerk\n"),
    ],
)
def test_classes_take_their_names_from_a_file(folder, file, content):
    (folder / file).write_text(content)
    assert opened(folder, "train").classes == opened(folder, "test").classes == ("run", "jump", "clean and jerk")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train/square.mp4 run", "line 3 is not `path label` with a whole number as the label: 'train/square.mp4 run'"),
        ("train/square.mp4 -1", "line 3 is not `path label`"),
        ("train/square.mp4", "line 3 is not `path label`"),
        ("7", "line 3 is not `path label`"),
        ("../square.mp4 0", "line 3 names '../square.mp4', which is outside the data folder"),
        ("/videos/square.mp4 0", "line 3 names '/videos/square.mp4', which is outside the data folder"),
        ("train/other.mp4 3", "has label 3, but classes.txt names only 3 classes"),
    ],
)
def test_a_faulty_line_is_named(folder, line, message):
    (folder / "classes.txt").write_text("run\njump\nsit\n")
    (folder / "train.csv").write_text(f"train/square.mp4 1\n\n{line}\n")
    with pytest.raises(UserError, match=rf"train\.csv: {message}"):
        opened(folder, "train")


def test_faulty_lists_are_named(folder):
    (folder / "kinetics_400_labels.csv").write_text("id,name\n0,run\n0,jump\n2,sit\n")
    with pytest.raises(UserError, match=r"kinetics_400_labels\.csv: must hold lines `id,name`"):
        opened(folder, "train")
    (folder / "kinetics_400_labels.csv").unlink()
    (folder / "train.csv").write_text("\n")
    with pytest.raises(UserError, match=r"train\.csv: is empty"):
        opened(folder, "test")
    (folder / "train.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"train\.csv: is not a text file"):
        opened(folder, "train")
    (folder / "train.csv").unlink()
    with pytest.raises(UserError, match=r"train\.csv: is missing"):
        opened(folder, "train")
    (folder / "val.csv").unlink()
    with pytest.raises(UserError, match=r"val\.csv: is missing"):
        opened(folder, "test")
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        opened(folder / "nowhere", "train")


@pytest.mark.parametrize("read", [lambda items: items.train(0, 0), lambda items: items.test(0)])
def test_a_member_that_cannot_be_read_is_named(folder, read):
    path, items = folder / "train" / "square.mp4", opened(folder, "train")
    whole = path.read_bytes()
    for length in range(1, len(whole), len(whole) // 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"train/square\.mp4: is not a complete video"):
            read(items)
    path.write_text("no video at all\n" * 100)
    with pytest.raises(UserError, match=r"train/square\.mp4: is not a complete video"):
        read(items)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"train/square\.mp4: is empty \(0 bytes\)"):
        read(items)
    path.unlink()
    with pytest.raises(UserError, match=r"train/square\.mp4: is missing, though train\.csv lists it"):
        read(items)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match=r"train/square\.mp4: is not a complete video"):
        read(items)


def test_a_study_that_asks_for_something_else_is_refused(folder):
    with pytest.raises(UserError, match="kinetics has no goal tagging"):
        opened(folder, "train", Wanted(CONFIG, PLAIN, VIEWS, "tagging"))
    with pytest.raises(UserError, match="kinetics has no variant 'mini'"):
        opened(folder, "train", Wanted(CONFIG, PLAIN, VIEWS, "classification", "mini"))
    with pytest.raises(UserError, match="needs an input and augmentation of videos"):
        opened(folder, "train", Wanted(AudioInput(), None, VIEWS, "classification"))


@pytest.mark.parametrize(("low", "high", "lacking"), [(1, 2, 0), (0, 4, 1), (0, 10**30, 1)])
def test_labels_without_names_leave_no_gap(folder, low, high, lacking):
    """Labels that count from 1, or a column of other numbers, would make classes of nothing (10^30 of them, with luck)."""
    (folder / "train.csv").write_text(f"train/square.mp4 {low}\ntrain/and short.mp4 {low}\n")
    (folder / "val.csv").write_text(f"val/wide.mp4 {high}\n")
    for split in ("train", "test"):
        with pytest.raises(UserError, match=f"no list has a video with label {lacking}, though labels go up to {high}"):
            opened(folder, split)


@pytest.mark.parametrize("suffix", ["JPEG", "GIF", "PNG"])
def test_a_picture_under_the_name_of_a_video_is_no_video(folder, suffix):
    """The advice for streams, to copy it into Matroska, would make a video of it."""
    Image.new("RGB", (CODE, CODE)).save(folder / "val" / "wide.mp4", suffix)
    with pytest.raises(UserError, match=r"wide\.mp4: is not a complete video"):
        opened(folder, "test").test(0)

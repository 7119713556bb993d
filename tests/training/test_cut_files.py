"""A file that ends early is one that cannot be read: it is told of by name, and counted where a task leaves such files out."""

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from m2pt.runs.spec import TaskSpec
from m2pt.training.availability import available
from tests.modalities.small_sets import wanted, write
from tests.modalities.video.coded import numbered, write_video
from tests.specs import run_spec

NOISE = np.random.default_rng(0)


def jpeg():
    stream = io.BytesIO()
    Image.fromarray(NOISE.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(stream, "JPEG")
    return stream.getvalue()[: len(stream.getvalue()) // 2] + b"\xff\xd9"


def sound(kind, subtype):
    stream = io.BytesIO()
    soundfile.write(stream, 0.1 * NOISE.standard_normal(16000), 16000, format=kind, subtype=subtype)
    return stream.getvalue()[: len(stream.getvalue()) * 9 // 10]


def video(folder):
    write_video(folder / "whole.mkv", numbered(40, 48, 48))
    content = (folder / "whole.mkv").read_bytes()
    (folder / "whole.mkv").unlink()
    return content[: len(content) * 9 // 10]


@pytest.mark.parametrize(
    ("dataset", "modality", "name", "content"),
    [
        ("imagenet", "image", "train/n02/a b.JPEG", lambda _: jpeg()),
        ("ade20k", "image", "images/training/a.jpg", lambda _: jpeg()),
        ("audioset", "audio", "train 1.wav", lambda _: sound("WAV", "PCM_16")),
        ("audioset", "audio", "train 1.wav", lambda _: sound("OGG", "VORBIS")),
        ("audioset", "audio", "train 1.wav", lambda _: sound("MP3", "MPEG_LAYER_III")),
        ("kinetics", "video", "train b.mp4", video),
    ],
)
def test_a_file_that_ends_early_is_counted(tmp_path, dataset, modality, name, content):
    folder = write(tmp_path / "data", dataset, lambda path, text: path.write_text(text))
    asked = wanted(dataset)
    task = TaskSpec(dataset=dataset, goal=asked.goal, variant=None, recipe="r", holdout=0.0, unreadable="skip")
    spec = run_spec(target="t", modality=modality, task=task, input=asked.input)
    before = available(spec, folder, "train", tmp_path / "before", decode=True)
    assert before.unreadable == before.absent == {}
    (folder / name).write_bytes(content(tmp_path))
    found = available(spec, folder, "train", tmp_path / "after", decode=True)
    assert found.listed == before.listed and found.absent == {}
    (sentence,) = found.unreadable.values()
    assert sentence.startswith(f"{folder / name}: is not a complete ")

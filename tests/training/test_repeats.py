"""Repeated augmentation: one decoded clip, augmented several times, whatever the number of processes."""

import pytest
import torch

from m2pt.config import FinetuneConfig, TestConfig, VideoAugment, VideoInput
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted
from m2pt.runs.spec import TaskSpec
from m2pt.training.feeds import FileFeed
from m2pt.training.share import Share
from tests.modalities.video.coded import CODE, numbered, numbers, write_video
from tests.specs import run_spec

INPUT = VideoInput(frames=4, stride=3, size=CODE, channels=1, tubelet=2, patch=12)
AUGMENT = VideoAugment(crop_scale=(1.0, 1.0), flip=0.5)
VIDEOS, BATCH, REPEATS = 5, 2, 3
ALONE = Share()


@pytest.fixture
def feed(tmp_path):
    for video in range(VIDEOS):
        write_video(tmp_path / f"{video}.mp4", numbered(100, CODE, CODE), lossless=True, options={"g": "12"})
    listing = "".join(f"{video}.mp4 {video}\n" for video in range(VIDEOS))
    for name in ("train.csv", "val.csv"):
        (tmp_path / name).write_text(listing)
    items = declared("kinetics").open(tmp_path, "train", Wanted(INPUT, AUGMENT, TestConfig(), "classification"))

    def make(share=ALONE, repeats=REPEATS):
        recipe = FinetuneConfig(batch_size=BATCH, samples="all", epochs=2, repeats=repeats, augment=AUGMENT)
        task = TaskSpec(dataset="kinetics", goal="classification", variant=None, recipe="r", holdout=0.0, unreadable="fail")
        spec = run_spec(target="toy", modality="video", input=INPUT, finetune=recipe, task=task)
        return FileFeed(spec, items, torch.arange(VIDEOS), {}, share, 0)

    return make


def shown(x_CTHW):
    """The frames of a clip and whether it is mirrored (the lower half of a frame rises from left to right)."""
    mirrored = bool(x_CTHW[0, 0, -1, 0] > x_CTHW[0, 0, -1, -1])
    return numbers(x_CTHW.flip(-1) if mirrored else x_CTHW), mirrored


def test_the_copies_of_a_sample_are_one_clip_differently_augmented(feed):
    """VideoMAE decodes a clip once and augments it `num_sample` times; its collation puts the copies one after the other."""
    clips, mirrors = [], []
    for epoch in range(1, 7):
        for batch in feed().train(epoch, 0):
            assert batch.total == BATCH * REPEATS == len(batch.item["x"])
            for first in range(0, batch.total, REPEATS):
                copies = [shown(x) for x in batch.item["x"][first : first + REPEATS]]
                assert len(batch.item["y"][first : first + REPEATS].unique()) == 1
                assert copies[0][0] == copies[1][0] == copies[2][0]
                clips.append(copies[0][0][0])
                mirrors.append({mirrored for _, mirrored in copies})
    assert len(set(clips)) > 10, "clips lie at random places"
    assert sum(len(found) == 2 for found in mirrors) > len(mirrors) / 3, "copies are augmented by draws of their own"


def test_the_first_copy_is_the_sample_without_repeats(feed):
    for alone, repeated in zip(feed(repeats=1).train(1, 0), feed().train(1, 0), strict=True):
        assert torch.equal(alone.item["x"], repeated.item["x"][::REPEATS])


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_share_the_same_batch(feed, world):
    whole = list(feed().train(1, 0))
    parts = [list(feed(Share(rank, world)).train(1, 0)) for rank in range(world)]
    for step, batch in enumerate(whole):
        rows = torch.cat([part[step].rows for part in parts])
        x = torch.cat([part[step].item["x"] for part in parts])
        assert sorted(rows.tolist()) == list(range(batch.total))
        assert torch.equal(batch.item["x"][rows], x)


def test_some_samples_for_a_comparison_are_the_same_in_every_process_and_each_comes_once(feed):
    whole = torch.cat([item["x"] for item in feed().some(4)])
    elsewhere = torch.cat([item["x"] for item in feed(Share(1, 2)).some(4)])
    assert torch.equal(whole, elsewhere)
    assert len(whole) == 4
    labels = torch.cat([item["y"] for item in feed().some(100)])
    assert sorted(labels.tolist()) == list(range(VIDEOS))

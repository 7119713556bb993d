"""What becomes of the frames of a clip, told by pictures whose values are their places."""

import random

import numpy as np
import pytest
import torch

from m2pt.config import UserError, VideoAugment, VideoInput
from m2pt.modalities.video.transforms.clips import ClipAugment, crops_along, resize_short, to_clip

HEIGHT, WIDTH, SIZE = 120, 160, 32
CONFIG = VideoInput(frames=4, size=SIZE, channels=3, tubelet=2, patch=8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.3))
POLICY = "rand-m7-n4-mstd0.5-inc1"


def places():
    """A frame whose red value is the column, the green one the row."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def augmented(frames, seed, config=CONFIG, **values):
    return ClipAugment(VideoAugment(**values), config)(frames, torch.Generator().manual_seed(seed))


def test_crops_lie_along_the_longer_side_in_order():
    clip = to_clip([places()] * 2)
    first, middle, last = crops_along(clip, HEIGHT, 3)
    assert [int(crop[0, 0, 0, 0] * 255 + 0.5) for crop in (first, middle, last)] == [0, 20, 40]
    standing = crops_along(clip.transpose(2, 3), HEIGHT, 3)
    assert [int(crop[0, 0, 0, 0] * 255 + 0.5) for crop in standing] == [0, 20, 40]
    (centre,) = crops_along(clip, HEIGHT, 1)
    assert torch.equal(centre, middle)
    assert centre.shape == (3, 2, HEIGHT, HEIGHT)


def test_the_shorter_side_is_resized_and_the_longer_one_follows():
    assert resize_short(to_clip([noise()]), 30).shape == (3, 1, 30, 40)
    assert resize_short(to_clip([noise()]).transpose(2, 3), 30).shape == (3, 1, 40, 30)
    halved = resize_short(to_clip([places()]), 60)
    # Bilinear, pixel centres in place: column j of the half lies between columns 2j and 2j + 1; halves are rounded up, as OpenCV
    # does with bytes.
    torch.testing.assert_close(halved[0, 0, 7] * 255, torch.arange(80) * 2 + 1.0)


@pytest.mark.parametrize("size", [30, 45, 97, 150])
def test_the_short_side_is_resized_as_the_published_code_resizes_bytes(size):
    """Bilinear by its definition: pixel centres in place, edges continued, no smoothing before, bytes in and out."""
    frame = noise()
    high, wide = size, size * WIDTH // HEIGHT

    def along(values, axis, count):
        place = np.clip((np.arange(count) + 0.5) * values.shape[axis] / count - 0.5, 0, values.shape[axis] - 1)
        low = np.minimum(place.astype(int), values.shape[axis] - 2)
        shape = [1, 1, 1]
        shape[axis] = count
        part = (place - low).reshape(shape)
        return np.take(values, low, axis) * (1 - part) + np.take(values, low + 1, axis) * part

    exact = along(along(frame.astype(np.float64), 0, high), 1, wide)
    resized = resize_short(to_clip([frame]), size)[:, 0].permute(1, 2, 0).numpy() * 255
    assert np.abs(resized - exact).max() < 0.501 and np.abs(resized - np.round(resized)).max() < 1e-4


def test_a_clip_keeps_its_time_and_channels():
    frames = [np.full((HEIGHT, WIDTH, 3), (10 * index, 100, 200), dtype=np.uint8) for index in range(4)]
    clip = augmented(frames, 3)
    assert clip.shape == (3, 4, SIZE, SIZE) and clip.dtype == torch.float32
    torch.testing.assert_close(clip.mean(dim=(2, 3)) * 255, torch.tensor([[0.0, 10, 20, 30], [100.0] * 4, [200.0] * 4]))


@pytest.mark.parametrize("seed", range(20))
def test_the_crop_has_the_area_and_ratio_of_the_recipe(seed):
    clip = augmented([places()], seed, crop_scale=(0.2, 0.3), flip=0.0)[:, 0] * 255
    width = float(clip[0, 5, 20] - clip[0, 5, 10]) / 10 * SIZE
    height = float(clip[1, 20, 5] - clip[1, 10, 5]) / 10 * SIZE
    assert 0.19 < width * height / (WIDTH * HEIGHT) < 0.31
    assert 0.73 < width / height < 1.36
    assert clip[0].min() >= 0 and clip[0].max() <= WIDTH - 1 and clip[1].max() <= HEIGHT - 1


def test_the_crop_is_drawn_anew_for_each_seed():
    corners = {tuple(augmented([places()], seed, flip=0.0)[:2, 0, 0, 0].tolist()) for seed in range(10)}
    assert len(corners) > 5


def test_a_flip_mirrors_all_frames_and_can_be_switched_off():
    frames = [noise(0), noise(1)]
    for seed in range(5):
        straight = augmented(frames, seed, flip=0.0)
        assert torch.equal(augmented(frames, seed, flip=1.0), straight.flip(-1))
    columns = [augmented([places()], seed, flip=0.5)[0, 0, 0] for seed in range(40)]
    assert 8 < sum(bool(column[-1] < column[0]) for column in columns) < 32
    assert not any((row := augmented([places()], seed, flip=0.0)[0, 0, 0])[-1] < row[0] for seed in range(40))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_still_video_stays_still_under_randaugment(channels):
    config = CONFIG if channels == 3 else VideoInput(frames=4, size=SIZE, tubelet=2, patch=8)
    frame = noise() if channels == 3 else noise()[..., 0]
    clips = [augmented([frame] * 4, seed, config, policy=POLICY) for seed in range(12)]
    for clip in clips:
        assert clip.shape == (channels, 4, SIZE, SIZE)
        assert torch.equal(clip, clip[:, :1].expand_as(clip))
        assert 0 <= clip.min() and clip.max() <= 1
    plain = [augmented([frame] * 4, seed, config) for seed in range(12)]
    assert sum(not torch.equal(a, b) for a, b in zip(clips, plain, strict=True)) > 8


def test_each_frame_is_changed_as_if_it_were_alone():
    frames = [noise(index) for index in range(3)]
    for seed in range(5):
        together = augmented(frames, seed, policy=POLICY)
        alone = [augmented([frame], seed, policy=POLICY) for frame in frames]
        assert torch.equal(together, torch.cat(alone, dim=1))


def test_one_box_is_erased_through_all_frames_with_noise_of_the_tokenizers_scale():
    erased_values = []
    for seed in range(12):
        frames = [noise(index) for index in range(4)]
        plain, erased = augmented(frames, seed, flip=0.0), augmented(frames, seed, flip=0.0, erasing=0.9999)
        changed = (plain != erased).all(dim=0)
        assert torch.equal(changed, changed[:1].expand_as(changed))
        rows, columns = changed[0].any(dim=1), changed[0].any(dim=0)
        assert torch.equal(changed[0], rows[:, None] & columns[None, :])
        assert 0.015 < changed[0].float().mean() < 0.36
        box = erased[:, changed]
        assert not torch.equal(erased[:, 0][:, changed[0]], erased[:, 1][:, changed[0]])
        erased_values.append(box)
    values = torch.cat(erased_values, dim=1)
    torch.testing.assert_close(values.mean(dim=1), torch.tensor(CONFIG.mean), atol=0.02, rtol=0)
    torch.testing.assert_close(values.std(dim=1), torch.tensor(CONFIG.std), atol=0.02, rtol=0)


def test_erasing_happens_as_often_as_the_recipe_says():
    frames = [noise()] * 2
    changed = [not torch.equal(augmented(frames, seed), augmented(frames, seed, erasing=0.25)) for seed in range(80)]
    assert 8 < sum(changed) < 35


def test_everything_follows_from_the_generator_and_nothing_else_is_drawn_from():
    frames = [noise(index) for index in range(4)]
    recipe = {"policy": POLICY, "erasing": 0.5}
    once = [augmented(frames, seed, **recipe) for seed in range(4)]
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    again = [augmented(frames, seed, **recipe) for seed in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], once[1])
    assert before[0] == random.getstate() and before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[2], torch.get_rng_state())


@pytest.mark.parametrize("policy", ["rand-z9", "augmix-m3", "rand-m7-q3"])
def test_an_unknown_policy_is_named(policy):
    with pytest.raises(UserError, match=rf"finetune\.augment\.policy: '{policy}' is not a RandAugment policy"):
        augmented([noise()], 0, policy=policy)

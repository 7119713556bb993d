"""Which frames a clip is made of, against places worked out by hand."""

from itertools import pairwise

import pytest
import torch

from m2pt.modalities.video.transforms.sampling import centre_clip, training_clip, view_clips


def drawn(total, stride, seed, frames=16):
    return training_clip(total, frames, stride, torch.Generator().manual_seed(seed))


def test_a_training_clip_is_a_dense_window_anywhere():
    starts = set()
    for seed in range(300):
        clip = drawn(70, 4, seed)
        starts.add(clip[0])
        # 16 places over 64 frames, both ends included: 64/15 frames apart, rounded down, the last one inside.
        assert [place - clip[0] for place in clip] == [4 * k + 4 * k // 15 for k in range(15)] + [63]
    assert starts == {0, 1, 2, 3, 4, 5}


def test_equal_seeds_give_equal_clips():
    assert drawn(300, 4, 5) == drawn(300, 4, 5) != drawn(300, 4, 6)


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (20, [0, 5, 10, 15] + [19] * 12),
        (64, [4 * k + 4 * k // 15 for k in range(15)] + [63]),
        (3, [2] * 16),
        (1, [0] * 16),
        (4, [0] + [3] * 15),
    ],
)
def test_a_short_video_repeats_its_last_frame(total, expected):
    assert drawn(total, 4, 0) == expected
    assert centre_clip(total, 16, 4) == expected


def test_the_centre_clip_has_as_much_before_as_after_it():
    clip = centre_clip(300, 16, 4)
    assert (clip[0], clip[-1]) == (118, 181)
    assert view_clips(300, 16, 4, 1) == [clip]


def test_test_clips_go_from_the_beginning_to_the_end():
    clips = view_clips(300, 16, 4, 5)
    assert [clip[0] for clip in clips] == [0, 56, 116, 176, 236]
    assert all(b - a == 4 for clip in clips for a, b in pairwise(clip))
    assert clips[-1][-1] == 296
    assert {len(clip) for clip in clips} == {16}


def test_test_clips_of_a_short_video_are_all_the_same():
    assert view_clips(20, 16, 4, 5) == [[0, 4, 8, 12] + [16] * 12] * 5


def test_without_a_stride_the_clip_spreads_over_the_whole_video():
    assert centre_clip(40, 8, None) == [2, 7, 12, 17, 22, 27, 32, 37]
    assert view_clips(40, 4, None, 5) == [[k + 10 * part for part in range(4)] for k in (1, 3, 5, 7, 9)]
    clips = torch.tensor([drawn(40, None, seed, frames=8) for seed in range(200)])
    assert (clips // 5 == torch.arange(8)).all()
    assert all(set(column.tolist()) == set(range(5 * part, 5 * part + 5)) for part, column in enumerate(clips.T))

"""The tokenizers of the published families: positions, class tokens, dropped patches.

Their arithmetic is compared with plain implementations of the published layouts in tests/weights.
"""

import math

import pytest
import torch

from m2pt.config import MODALITIES, AudioAugment, AudioInput, ImageInput, PointInput, VideoInput
from m2pt.layers import RowNoise, grid_sincos, sinusoids
from m2pt.modalities.audio.published import PublishedAudioTokenizer
from m2pt.modalities.point.published import PublishedPointTokenizer
from m2pt.modalities.point.transforms.geometry import farthest_points
from m2pt.modalities.registry import build_tokenizer

INPUTS = {
    "image": ImageInput(form="published", size=16, channels=3, patch=4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)),
    "audio": AudioInput(form="published", frames=40, mels=16, patch=4),
    "point": PointInput(form="published", points=64, groups=9, neighbours=7),
    "video": VideoInput(form="published", frames=4, size=8, channels=3, tubelet=2, patch=4),
}
TOKENS = {"image": 16, "audio": 40, "point": 9, "video": 8}
SHAPES = {"image": (3, 16, 16), "audio": (1, 40, 16), "point": (64, 3), "video": (3, 4, 8, 8)}


def built(modality, width=24):
    torch.manual_seed(0)
    return build_tokenizer(modality, INPUTS[modality], width)


def samples(modality, count=3):
    return torch.rand(count, *SHAPES[modality], generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_maes_code_of_a_grid_value_by_value():
    code = grid_sincos(3, 5, 16)
    for place in range(15):
        row, column = divmod(place, 5)
        for half, value in enumerate((column, row)):
            for index in range(4):
                angle = value / 10000 ** (index / 4)
                assert float(code[place, half * 8 + index]) == pytest.approx(math.sin(angle), abs=1e-6)
                assert float(code[place, half * 8 + 4 + index]) == pytest.approx(math.cos(angle), abs=1e-6)
    assert grid_sincos(2, 2, 10).shape == (4, 10)
    assert not grid_sincos(2, 2, 10)[:, 8:].any()


def test_videomaes_code_of_a_sequence_value_by_value():
    code = sinusoids(5, 7)
    for place in range(5):
        for column in range(7):
            angle = place / 10000 ** (2 * (column // 2) / 7)
            assert float(code[place, column]) == pytest.approx((math.sin, math.cos)[column % 2](angle), abs=1e-6)


@pytest.mark.parametrize("width", [24, 30])
@pytest.mark.parametrize("modality", MODALITIES)
def test_tokens_have_the_form_of_their_family_at_any_width(modality, width):
    tokens = built(modality, width).eval().tokens(samples(modality))
    prefix = 0 if modality == "video" else 1
    assert tokens.num_prefix == prefix
    assert tokens.values.shape == (3, prefix + TOKENS[modality], width)
    assert tokens.coordinates_BN3.shape == (3, TOKENS[modality], 3)
    assert (tokens.every_block is not None) == (modality == "point")


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_trained_and_what_is_saved(modality):
    tokenizer = built(modality)
    parameters, saved = dict(tokenizer.named_parameters()), tokenizer.state_dict()
    assert ("positions" in parameters) == (modality == "image")
    assert ("positions" in saved) == (modality != "point")
    assert ("class_token" in saved) == (modality != "video")
    assert not {"mean", "constants.mean"} & saved.keys()
    other = build_tokenizer(modality, INPUTS[modality], 24).eval()
    other.load_state_dict(saved)
    assert torch.equal(other.tokens(samples(modality)).values, tokenizer.eval().tokens(samples(modality)).values)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_positions_start_from_the_fixed_code_with_none_for_the_class_token(modality):
    tokenizer = built(modality)
    _, rows, columns = tokenizer.grid.counts
    assert not tokenizer.positions[0].any()
    assert torch.equal(tokenizer.positions[1:], grid_sincos(rows, columns, 24))


def audio_tokenizer(drop_time, drop_frequency):
    tokenizer = built("audio")
    tokenizer.take(AudioAugment(drop_time=drop_time, drop_frequency=drop_frequency))
    return tokenizer


def test_dropped_patches_are_whole_columns_and_rows_and_only_in_training():
    tokenizer = audio_tokenizer(0.2, 0.3)
    x = samples("audio", 5)
    whole = tokenizer.eval().tokens(x)
    tokenizer.draw(RowNoise(seed=3, total=5, rows=torch.arange(5)), x.device)
    assert torch.equal(tokenizer.tokens(x).values, whole.values)
    tokenizer.train()
    tokens = tokenizer.tokens(x)
    assert tokens.values.shape == (5, 1 + 8 * 2, 24)  # int(10 * .8) of ten times, int(4 * .7) of four bands
    assert torch.equal(tokens.values[:, 0], whole.values[:, 0])
    grids = set()
    for sample, kept in enumerate(tokenizer.kept.tolist()):
        times, bands = {place // 4 for place in kept}, {place % 4 for place in kept}
        assert kept == [time * 4 + band for time in sorted(times) for band in sorted(bands)]
        assert (len(times), len(bands)) == (8, 2)
        assert torch.equal(tokens.values[sample, 1:], whole.values[sample, 1:][kept])
        assert torch.equal(tokens.coordinates_BN3[sample], whole.coordinates_BN3[sample][kept])
        grids.add(tuple(kept))
    assert len(grids) > 1


def test_every_place_is_dropped_equally_often():
    tokenizer = audio_tokenizer(0.2, 0.5)
    tokenizer.draw(RowNoise(seed=0, total=4000, rows=torch.arange(4000)), torch.device("cpu"))
    shares = torch.bincount(tokenizer.kept.flatten(), minlength=40) / 4000
    assert (shares - 0.8 * 0.5).abs().max() < 0.04


def test_drops_of_a_row_do_not_depend_on_how_a_batch_is_spread():
    tokenizer = audio_tokenizer(0.2, 0.25)
    whole = RowNoise(seed=3, total=6, rows=torch.arange(6))
    tokenizer.draw(whole, torch.device("cpu"))
    together = tokenizer.kept
    tokenizer.draw(RowNoise(seed=3, total=6, rows=torch.tensor([1, 4])), torch.device("cpu"))
    assert torch.equal(tokenizer.kept, together[[1, 4]])
    tokenizer.draw(RowNoise(seed=4, total=6, rows=torch.arange(6)), torch.device("cpu"))
    assert not torch.equal(tokenizer.kept, together)
    with pytest.raises(ValueError, match="decided for 6 samples, the batch has 3"):
        tokenizer.train().tokens(samples("audio"))


def test_without_drops_nothing_is_drawn():
    tokenizer = audio_tokenizer(0.2, 0.25)
    tokenizer.take(True)
    tokenizer.draw(RowNoise(seed=3, total=3, rows=torch.arange(3)), torch.device("cpu"))
    assert tokenizer.kept is None
    assert isinstance(tokenizer, PublishedAudioTokenizer)
    assert tokenizer.train().tokens(samples("audio")).values.shape == (3, 41, 24)


def test_groups_of_points_are_centred_and_carry_their_places_into_every_block():
    tokenizer = built("point").eval()
    x = samples("point")
    tokens = tokenizer.tokens(x)
    centres = x.gather(1, farthest_points(x, 9, first=0)[..., None].expand(-1, -1, 3))
    assert torch.equal(tokens.coordinates_BN3, centres)
    torch.testing.assert_close(tokens.every_block[:, 1:], tokenizer.place(centres))
    assert torch.equal(tokens.every_block[:, 0], tokenizer.class_position.expand(3, -1))
    # A group's token depends on its own points alone, in whatever order.
    groups = torch.rand(2, 4, 7, 3)
    assert tokenizer.embed(groups).shape == (2, 4, 24)
    torch.testing.assert_close(tokenizer.embed(groups[:, [2]]), tokenizer.embed(groups)[:, [2]])
    torch.testing.assert_close(tokenizer.embed(groups.flip(2)), tokenizer.embed(groups))


def test_point_batch_statistics_are_those_of_training_only_in_training():
    tokenizer = built("point")
    before = tokenizer.local[1].running_mean.clone()
    tokenizer.eval().tokens(samples("point"))
    assert torch.equal(tokenizer.local[1].running_mean, before)
    tokenizer.train().tokens(samples("point"))
    assert not torch.equal(tokenizer.local[1].running_mean, before)


def test_a_point_encoder_without_class_token():
    tokenizer = built("point")
    assert isinstance(tokenizer, PublishedPointTokenizer)
    tokenizer.adapt("part_segmentation")
    tokens = tokenizer.eval().tokens(samples("point"))
    assert tokens.num_prefix == 0
    assert tokens.values.shape == tokens.every_block.shape == (3, 9, 24)
    assert not any(name.startswith("class") for name in tokenizer.state_dict())

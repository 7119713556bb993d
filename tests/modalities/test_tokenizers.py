"""Tokenizers and augmentation: against brute force and closed forms."""

import pytest
import torch

from m2pt.config import MODALITIES, InputsConfig
from m2pt.modalities.point.reconstruct import loss as chamfer
from m2pt.modalities.point.tokenizer import farthest_points, nearest_neighbours
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.patches import PatchGrid, normalised_patch_loss, restore

SHAPES = {"image": (1, 16, 16), "audio": (1, 32, 32), "point": (192, 3), "video": (1, 8, 16, 16)}


def samples(modality, count=4):
    x = torch.randn(count, *SHAPES[modality], generator=torch.Generator().manual_seed(0))
    return x / x.abs().amax() if modality == "point" else x


def test_patches_are_cut_where_they_lie_and_joined_again():
    grid = PatchGrid(channels=2, size=(4, 6, 8), patch=(2, 3, 4))
    x = torch.randn(3, 2, 4, 6, 8)
    patches = grid.cut(x)
    assert patches.values_BNP.shape == (3, 8, 48)
    # Token 5 is the second in time, first in height, second in width.
    assert torch.equal(patches.values_BNP[1, 5].view(2, 2, 3, 4), x[1, :, 2:4, 0:3, 4:8])
    assert patches.coordinates_BN3[1, 5].tolist() == [0.5, -0.5, 0.5]
    assert torch.equal(grid.join(patches.values_BNP), x)


def test_the_patch_loss_is_zero_for_the_normalised_truth_which_restores_it():
    values = torch.randn(2, 3, 20) * 3 + 1
    normalised = (values - values.mean(-1, keepdim=True)) / (values.var(-1, keepdim=True) + 1e-4).sqrt()
    assert normalised_patch_loss(normalised, values) < 1e-12
    torch.testing.assert_close(restore(normalised, values), values)
    assert float(normalised_patch_loss(torch.zeros(2, 3, 20), values)) == pytest.approx(0.95, abs=1e-3)  # var with n - 1 of n


def test_farthest_points_and_neighbours_equal_brute_force():
    x = samples("point", 3)
    chosen = farthest_points(x, 10)
    for cloud, indices in zip(x.double(), chosen.tolist(), strict=True):
        expected = [int(cloud.norm(dim=1).argmax())]
        while len(expected) < 10:
            gaps = [min(float((point - cloud[i]).norm()) for i in expected) for point in cloud]
            expected.append(gaps.index(max(gaps)))
        assert indices == expected
    centres = torch.gather(x, 1, chosen[..., None].expand(-1, -1, 3))
    for cloud, cloud_centres, groups in zip(x, centres, nearest_neighbours(x, centres, 7), strict=True):
        for centre, group in zip(cloud_centres, groups.tolist(), strict=True):
            ranking = sorted(range(len(cloud)), key=lambda i: float((cloud[i].double() - centre.double()).square().sum()))
            assert group == ranking[:7]


def test_chamfer_distance_of_a_worked_example():
    predicted = torch.tensor([[[0.0, 0, 0, 1, 0, 0]]])
    true = torch.tensor([[[0.0, 0, 0, 0, 2, 0]]])
    # From the predicted: 0 and 1 (to the origin); from the true: 0 and 4 (to the origin); means .5 and 2.
    assert float(chamfer(predicted, true)) == 2.5
    assert float(chamfer(true.flip(-1).flip(-1), true)) == 0.0


@pytest.mark.parametrize("modality", MODALITIES)
def test_augmentation_follows_its_generator_alone_and_changes_samples(modality):
    x = samples(modality, 16)
    first, second, other = (SPECS[modality].parts().augment(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == x.shape
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first, x)


def test_pictures_and_clips_are_shifted_as_a_whole():
    x = torch.zeros(64, 1, 8, 16, 16)
    x[..., 8, 8] = 1.0
    moved = SPECS["video"].parts().augment(x, torch.Generator().manual_seed(0))
    places = moved.flatten(3).argmax(-1)[:, 0]
    assert torch.equal(places, places[:, :1].expand(-1, 8))
    rows, columns = places[:, 0] // 16, places[:, 0] % 16
    assert set(rows.tolist()) == set(columns.tolist()) == set(range(6, 11))


@pytest.mark.parametrize("modality", MODALITIES)
def test_tokens_of_a_batch_do_not_depend_on_its_other_samples(modality):
    torch.manual_seed(0)
    tokenizer = SPECS[modality].parts().tokenizer(getattr(InputsConfig(), modality), 24)
    x = samples(modality)
    together = tokenizer(tokenizer.patchify(x).values_BNP)
    alone = tokenizer(tokenizer.patchify(x[2:3]).values_BNP)
    torch.testing.assert_close(together[2:3], alone)

"""One raw file is read as the same file of a data set is: of small data, and of published ones with all their views."""

from pathlib import Path

import numpy as np
import pytest
import torch

from m2pt.config import AudioInput, ImageInput, PointAugment, PointInput, TestConfig, UserError, VideoInput
from m2pt.modalities.registry import SPECS, dataset
from m2pt.modalities.shared.wanted import Wanted
from tests.pipelines.published_files import cloud, esc50, imagenet, kinetics, scanobjectnn

PUBLISHED = {
    "imagenet": ("image", imagenet, ImageInput(size=32, patch=8, channels=3), TestConfig()),
    "esc50": ("audio", esc50, AudioInput(frames=32, mels=32, patch=8), TestConfig()),
    "kinetics": ("video", kinetics, VideoInput(frames=4, stride=2, size=32, patch=16, tubelet=2), TestConfig(clips=2, crops=3)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_of_a_published_data_set_has_the_views_of_its_test(name: str, tmp_path: Path) -> None:
    modality, make, given, test = PUBLISHED[name]
    make(tmp_path / "data")
    wanted = Wanted(given, None, test, "classification")
    items = dataset(name).open(tmp_path / "data", "test", wanted)
    assert items is not None
    (views,) = SPECS[modality].file(items.file(1), wanted)
    assert torch.equal(views, items.test(1)["x"]) and len(views) == test.clips * test.crops


@pytest.mark.parametrize("votes", [1, 3])
def test_the_clouds_of_a_file_have_the_views_of_their_test(votes: int, tmp_path: Path) -> None:
    scanobjectnn(tmp_path / "data")
    augment = PointAugment(sample_from=60)
    wanted = Wanted(PointInput(points=48, groups=8, neighbours=6), augment, TestConfig(votes=votes), "classification", "obj_bg")
    items = dataset("scanobjectnn").open(tmp_path / "data", "test", wanted)
    assert items is not None
    clouds = SPECS["point"].file(items.file(0), wanted)
    assert len(clouds) == len(items) == 30
    assert all(torch.equal(clouds[index], items.test(index)["x"]) for index in (0, 7))


def test_a_cloud_may_be_text_in_columns(tmp_path: Path) -> None:
    points, given = cloud(60, flat=False), PointInput(points=48, groups=8, neighbours=6)
    np.savetxt(tmp_path / "cloud.txt", np.column_stack([points, points]), delimiter=",", fmt="%.6f")
    np.savetxt(tmp_path / "cloud.xyz", points, fmt="%.6f")
    one, other = (SPECS["point"].small_file(tmp_path / name, given) for name in ("cloud.txt", "cloud.xyz"))
    assert np.array_equal(one, other) and one.shape == (1, 48, 3)
    np.savetxt(tmp_path / "few.xyz", points[:40], fmt="%.6f")
    with pytest.raises(UserError, match=r"few\.xyz: has 40 points, fewer than the input's points \(48\)"):
        SPECS["point"].small_file(tmp_path / "few.xyz", given)
    with pytest.raises(UserError, match=r"cloud\.png: is no file of point clouds"):
        SPECS["point"].small_file((tmp_path / "few.xyz").rename(tmp_path / "cloud.png"), given)


@pytest.mark.parametrize("modality", SPECS)
def test_a_file_of_small_data_is_read_as_in_its_split(modality: str, embedded_root: Path) -> None:
    spec = SPECS[modality]
    folder, given = embedded_root / modality, spec.section()
    listed, samples = spec.small_lists(folder, "test", given), spec.small(folder, "test", given)
    first = spec.small_file(listed.paths[0], given)
    assert np.array_equal(first, samples.x[: len(first)].numpy())
    assert len(first) == listed.paths.count(listed.paths[0])
    last = spec.small_file(listed.paths[-1], given)
    assert np.array_equal(last[-1], samples.x[-1].numpy())

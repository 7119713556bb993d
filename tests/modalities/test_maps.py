"""What a ConvNet sees of a sample (arXiv 2311.15599, section 3.3), written down here point by point and frame by frame."""

import pytest
import torch

from m2pt.config import AudioInput, ImageInput, PointInput, VideoInput
from m2pt.modalities.registry import SPECS


def seen(modality, config, x):
    return SPECS[modality].parts().embedding_map(config)(x)


def test_a_picture_and_a_filterbank_are_seen_as_they_are_normalised():
    x = torch.rand(2, 3, 8, 8)
    config = ImageInput(size=8, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    expected = torch.stack([(x[:, c] - (0.1, 0.2, 0.3)[c]) / (0.5, 0.6, 0.7)[c] for c in range(3)], dim=1)
    torch.testing.assert_close(seen("image", config, x), expected)
    sound = torch.rand(2, 1, 16, 8)
    torch.testing.assert_close(seen("audio", AudioInput(mean=-2.0, std=4.0), sound), (sound + 2) / 4)


@pytest.mark.parametrize(("frames", "rows"), [(16, 4), (8, 2), (9, 3), (5, 1)])
def test_the_frames_of_a_clip_are_laid_out_row_by_row(frames, rows):
    x = torch.rand(2, 1, frames, 4, 4)
    picture = seen("video", VideoInput(frames=frames, size=4, tubelet=1, patch=2, mean=(0.0,), std=(1.0,)), x)
    columns = frames // rows
    assert picture.shape == (2, 1, rows * 4, columns * 4)
    for number in range(frames):
        row, column = divmod(number, columns)
        assert torch.equal(picture[:, :, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4], x[:, :, number])


def test_a_cloud_is_seen_from_three_sides_and_the_nearest_point_counts():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 40, 3, generator=generator) * 2.4 - 1.2  # some points are outside
    views = seen("point", PointInput(points=40, view=5), x)
    expected = torch.zeros(2, 3, 5, 5)
    for cloud in range(2):
        for point in x[cloud]:
            cell = [min(max(int((float(value) + 1) / 2 * 5 // 1), 0), 4) for value in point]
            for view, (column, row, depth) in enumerate([(0, 1, 2), (1, 2, 0), (2, 0, 1)]):
                brightness = 0.75 + min(max(float(point[depth]), -1.0), 1.0) / 4
                place = expected[cloud, view, cell[row]]
                place[cell[column]] = max(float(place[cell[column]]), brightness)
    torch.testing.assert_close(views, expected)
    assert 0 < int((views > 0).sum()) < views.numel()
    assert views[views > 0].min() >= 0.5 and views.max() <= 1

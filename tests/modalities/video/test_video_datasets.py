"""Videos in a Kinetics list: what is read, and what is said of lists and files that are not as they should be."""

import av
import numpy as np
import pytest

from m2pt.config import UserError, VideoInput
from m2pt.modalities.video import embedded
from m2pt.modalities.video.small import read
from tests.modalities.video.coded import write_video

CONFIG = VideoInput(frames=8, size=16, channels=1, tubelet=2, patch=8)
CLIPS = np.random.default_rng(0).integers(0, 256, (2, 8, 16, 16), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips").mkdir()
    embedded._encode(tmp_path / "clips" / "one.mp4", CLIPS[0])
    embedded._encode(tmp_path / "clips" / "and two.mp4", CLIPS[1])  # a name may hold a space
    (tmp_path / "val.csv").write_text("clips/one.mp4 1\nclips/and two.mp4 0\n")
    (tmp_path / "classes.txt").write_text("jump\nrun\n")
    return tmp_path


def encode(path, frames, size=(64, 48), pixel_format="yuv420p"):
    """A video as cameras make them, with loss; `frames` are shades of grey or colours."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for shade in frames:
            pixels = np.broadcast_to(np.array(shade, dtype=np.uint8), (size[1], size[0], 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))


def test_lossless_files_are_read_back_exactly(folder):
    samples = read(folder, "val", CONFIG)
    assert samples.classes == ("jump", "run")
    assert samples.y.tolist() == [1, 0]
    np.testing.assert_array_equal(samples.x.numpy(), (CLIPS[:, None] / 255).astype(np.float32))


def test_a_clip_is_seen_as_it_is_shown(folder):
    upright = read(folder, "val", CONFIG).x[0]
    write_video(folder / "clips" / "one.mp4", np.rot90(CLIPS[0], -1, axes=(1, 2)), lossless=True, rotation=90)
    np.testing.assert_array_equal(read(folder, "val", CONFIG).x[0].numpy(), upright.numpy())


@pytest.mark.parametrize(
    ("total", "expected"), [(8, range(8)), (16, range(1, 16, 2)), (40, range(2, 40, 5)), (4, [0, 0, 1, 1, 2, 2, 3, 3])]
)
def test_frames_are_taken_evenly(folder, total, expected):
    shades = [6 * index for index in range(total)]
    encode(folder / "clips" / "one.mp4", shades)
    clip = read(folder, "val", CONFIG).x[0, 0].mean(dim=(1, 2)) * 255
    np.testing.assert_allclose(clip.numpy(), [shades[index] for index in expected], atol=2.5)


def test_colour_and_shape_take_the_form_of_the_config(folder):
    encode(folder / "clips" / "one.mp4", [(200, 40, 90)] * 10)
    samples = read(folder, "val", VideoInput(frames=4, size=32, channels=3, tubelet=2, patch=8))
    assert samples.x.shape == (2, 3, 4, 32, 32)
    np.testing.assert_allclose(samples.x[0].mean(dim=(1, 2, 3)).numpy() * 255, [200, 40, 90], atol=4)


@pytest.mark.parametrize("name", ["clips/one.mp4", "clips/camera.mp4"])
def test_a_truncated_video_is_named_wherever_it_ends(folder, name):
    encode(folder / "clips" / "camera.mp4", [10 * index for index in range(20)])
    (folder / "val.csv").write_text(f"{name} 0\nclips/and two.mp4 1\n")
    assert len(read(folder, "val", CONFIG).y) == 2
    whole = (folder / name).read_bytes()
    for length in [*range(0, len(whole), 53), len(whole) - 1]:
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"{name}: is (not a complete video|empty)"):
            read(folder, "val", CONFIG)


def test_a_file_that_is_no_video_is_named(folder):
    (folder / "clips" / "one.mp4").write_text("no video at all\n" * 100)
    with pytest.raises(UserError, match=r"one\.mp4: is not a complete video"):
        read(folder, "val", CONFIG)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clips/and two.mp4 2", "line 2 has label 2, but classes.txt names only 2 classes"),
        ("clips/one.mp4 run", "line 2 is not `path label`"),
        ("clips/one.mp4 -1", "line 2 is not `path label`"),
        ("clips/one.mp4", "line 2 is not `path label`"),
        ("/clips/one.mp4 0", "names '/clips/one.mp4', which is outside the data folder"),
        ("../one.mp4 0", "names '../one.mp4', which is outside the data folder"),
    ],
)
def test_a_faulty_line_is_named(folder, line, message):
    (folder / "val.csv").write_text(f"clips/one.mp4 1\n{line}\n")
    with pytest.raises(UserError, match=rf"val\.csv: {message}"):
        read(folder, "val", CONFIG)


def test_what_is_missing_is_named(folder):
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(folder / "nowhere", "val", CONFIG)
    with pytest.raises(UserError, match=r"test\.csv: cannot be read"):
        read(folder, "test", CONFIG)
    (folder / "test.csv").write_text("")
    with pytest.raises(UserError, match=r"test\.csv: is empty"):
        read(folder, "test", CONFIG)
    (folder / "test.csv").write_text("clips/one.mp4 1\n")
    with pytest.raises(UserError, match=r"test\.csv: has no sample of class 'jump'"):
        read(folder, "test", CONFIG)
    (folder / "clips" / "one.mp4").unlink()
    with pytest.raises(UserError, match=r"one\.mp4: is missing, though val\.csv lists it"):
        read(folder, "val", CONFIG)

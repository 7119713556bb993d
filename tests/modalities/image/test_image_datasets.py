"""Images in class folders: what is read, and what is said of a folder that is not as it should be."""

import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import ImageInput, UserError
from m2pt.modalities.image.small import read

GREY = ImageInput(size=4, channels=1, patch=2)
PIXELS = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17


@pytest.fixture
def folder(tmp_path):
    """Two splits, two classes, one picture each; the pictures of class `b` are the mirrored ones."""
    for split in ("train", "val"):
        for name, pixels in (("b", PIXELS[:, ::-1]), ("a", PIXELS)):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / split / name / "1.png")
    return tmp_path


def test_pixels_labels_and_classes(folder):
    samples = read(folder, "val", GREY)
    assert samples.classes == ("a", "b")
    assert samples.y.tolist() == [0, 1]
    assert samples.y.dtype == torch.int64
    assert samples.x.dtype == torch.float32
    expected = np.stack([PIXELS, PIXELS[:, ::-1]])[:, None] / 255
    np.testing.assert_array_equal(samples.x.numpy(), expected.astype(np.float32))


def test_files_of_a_class_come_in_the_order_of_their_names(folder):
    Image.fromarray(PIXELS * 0).save(folder / "val" / "a" / "0.png")
    samples = read(folder, "val", GREY)
    assert samples.y.tolist() == [0, 0, 1]
    assert samples.x[0].max() == 0


@pytest.mark.parametrize(("channels", "size"), [(1, 4), (3, 4), (1, 8), (3, 6)])
def test_any_size_and_colour_takes_the_form_of_the_config(folder, channels, size):
    colour = Image.new("RGB", (30, 20), (255, 0, 0))
    colour.paste((0, 0, 255), (0, 0, 4, 20))  # the left end, which the centre cut leaves out
    colour.save(folder / "val" / "a" / "1.png")
    colour.convert("P").save(folder / "val" / "a" / "2.png")
    samples = read(folder, "val", ImageInput(size=size, channels=channels, patch=2))
    assert samples.x.shape == (3, channels, size, size)
    expected = [1.0, 0.0, 0.0] if channels == 3 else [76 / 255]  # luma of pure red
    for picture in samples.x[:2]:
        torch.testing.assert_close(picture[:, :, size // 2 :].mean(dim=(1, 2)), torch.tensor(expected), atol=0.01, rtol=0)


def test_sixteen_bit_grey_is_scaled_not_clipped(folder):
    Image.fromarray(PIXELS.astype(np.uint16) * 257).save(folder / "val" / "a" / "1.png")
    np.testing.assert_array_equal(read(folder, "val", GREY).x[0, 0].numpy(), (PIXELS / 255).astype(np.float32))


def test_dotfiles_are_passed_over(folder):
    (folder / "val" / ".DS_Store").write_bytes(b"x")
    (folder / "val" / "a" / "._1.png").write_bytes(b"x")
    assert len(read(folder, "val", GREY).y) == 2


def test_a_truncated_png_is_named_wherever_it_ends(folder):
    path = folder / "val" / "b" / "1.png"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"val/b/1\.png: is not a complete image"):
            read(folder, "val", GREY)


def test_a_damaged_png_is_named(folder):
    path = folder / "val" / "b" / "1.png"
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"val/b/1\.png: is not a complete image"):
        read(folder, "val", GREY)


def test_a_truncated_jpeg_is_named(folder):
    path = folder / "val" / "b" / "2.JPEG"
    noise = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    assert len(read(folder, "val", GREY).y) == 3
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"2\.JPEG: is not a complete image"):
        read(folder, "val", GREY)


def test_what_is_missing_is_named(folder):
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(folder / "nowhere", "val", GREY)
    with pytest.raises(UserError, match="test: the split is missing"):
        read(folder, "test", GREY)
    (folder / "test").mkdir()
    with pytest.raises(UserError, match="test: holds no samples"):
        read(folder, "test", GREY)
    (folder / "val" / "b" / "1.png").unlink()
    with pytest.raises(UserError, match="val: has no sample of class 'b'"):
        read(folder, "val", GREY)
    (folder / "val" / "b").rmdir()  # the labels of `val` must not shift against those of `train`
    with pytest.raises(UserError, match="val: has no sample of class 'b'"):
        read(folder, "val", GREY)


def test_what_does_not_belong_is_named(folder):
    (folder / "val" / "a" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"notes\.txt: is not an image"):
        read(folder, "val", GREY)
    (folder / "val" / "a" / "notes.txt").rename(folder / "val" / "notes.txt")
    with pytest.raises(UserError, match=r"val/notes\.txt: is next to the class folders"):
        read(folder, "val", GREY)

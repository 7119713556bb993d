"""What is read of an image file: the pixels of the published runs' loader, and nothing of a file that ends early."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import pil_loader

from m2pt.config import UserError
from m2pt.modalities.image.decoding.pictures import coloured, decode, read_picture

JPEG_OPTIONS = (
    {},
    {"progressive": True},
    {"optimize": True, "quality": 98},
    {"subsampling": 0},
    {"restart_marker_blocks": 3},
    {"progressive": True, "restart_marker_rows": 1},
)
END = b"\xff\xd9"


def noisy(seed, size):
    """A smooth coloured picture with noise."""
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray((np.asarray(smooth) + rng.integers(-12, 13, (size[1], size[0], 3))).clip(0, 255).astype(np.uint8))


def encoded(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("options", JPEG_OPTIONS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_a_valid_end_is_read_whole_or_refused(mode, options):
    """Pillow reads all of these without a word. A cut may leave the picture as it was."""
    rng = np.random.default_rng(0)
    for seed in range(12):
        picture = noisy(seed, tuple(int(side) for side in rng.integers(1, 120, 2))).convert(mode)
        whole = encoded(picture, "JPEG", **options)
        truth = Image.open(io.BytesIO(whole))
        assert decode(whole, "a.jpg").tobytes() == truth.tobytes()
        assert decode(whole + b"after the end", "a.jpg").tobytes() == truth.tobytes()
        start = whole.index(b"\xff\xda") + 20
        for length in rng.integers(start, max(start + 1, len(whole) - 3), 4):
            cut = whole[:length].removesuffix(b"\xff") + END
            with contextlib.suppress(UserError):
                assert decode(cut, "a.jpg").tobytes() == truth.tobytes()


@pytest.mark.parametrize("options", JPEG_OPTIONS)
def test_half_a_jpeg_is_refused(options):
    whole = encoded(noisy(3, (200, 150)), "JPEG", **options)
    half = whole[: len(whole) // 2]
    for content in (half, half + END, half + END * 2 + bytes(100)):
        with pytest.raises(UserError, match=r"a\.jpg: is not a complete image"):
            decode(content, "a.jpg")


def test_a_progressive_jpeg_whose_last_scans_are_missing_is_refused():
    whole = encoded(noisy(3, (200, 150)), "JPEG", progressive=True)
    starts = [place for place in range(len(whole)) if whole[place : place + 2] in (b"\xff\xda", b"\xff\xc4")]
    for start in starts[-6:]:
        with pytest.raises(UserError, match="not a complete image"):
            decode(whole[:start] + END, "a.jpg")


def test_a_jpeg_cut_between_two_restarts_is_refused():
    whole = encoded(noisy(4, (160, 96)), "JPEG", restart_marker_blocks=5)
    for number in range(6):
        place = whole.index(b"\xff" + bytes([0xD0 + number]))
        with pytest.raises(UserError, match="not a complete image"):
            decode(whole[:place] + END, "a.jpg")


def test_the_preview_in_a_photograph_is_not_taken_for_it():
    """A camera's JPEG holds a smaller one, with an end of its own, before the picture."""
    preview = encoded(noisy(1, (32, 24)), "JPEG")
    whole = encoded(noisy(2, (96, 64)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + preview)
    assert decode(whole, "a.jpg").size == (96, 64)
    with pytest.raises(UserError):
        decode(whole[: len(whole) - 1500] + END, "a.jpg")


def _png(whole, body):
    """The file with other compressed data, in a chunk whose checksum is right, before a valid end."""
    start = whole.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return whole[:start] + chunk + whole[whole.index(b"IEND") - 4 :]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "I;16"])
def test_whole_pngs_of_any_depth_are_read(mode):
    for size in ((1, 1), (5, 7), (33, 9)):
        picture = (
            Image.fromarray(np.full(size[::-1], 4000, np.uint16)) if mode == "I;16" else noisy(1, size).convert("L").convert(mode)
        )
        assert decode(encoded(picture, "PNG"), "a.png").tobytes() == picture.tobytes()


def test_an_interlaced_png_is_read_whole_or_refused():
    """Grey, 3 × 3: rows of the passes of Adam7 that have pixels: the fourth, the fifth, the sixth (two rows), the last."""
    rows = b"".join(b"\0" + bytes(values) for values in ([10], [12], [30, 32], [11], [31], [20, 21, 22]))
    header = struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 1)

    def file(data):
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
        parts = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    assert np.asarray(decode(file(rows), "a.png")).tolist() == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]
    for length in range(len(rows)):
        with pytest.raises(UserError, match="not a complete image"):
            decode(file(rows[:length]), "a.png")


def test_other_files_that_end_early_are_refused():
    picture = noisy(5, (100, 80))
    png = encoded(picture, "PNG")
    start = png.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", png[start - 8 : start - 4])
    raw = zlib.decompress(png[start : start + size])
    broken = {"half.png": png[: len(png) // 2], "ended.png": png[: len(png) // 2] + png[-12:]}
    broken["valid.png"] = _png(png, png[start : start + size // 2])
    broken["short.png"] = _png(png, zlib.compress(raw[: len(raw) // 2]))
    for kind, options in (("bmp", {}), ("webp", {"quality": 80}), ("webp", {"lossless": True})):
        content = encoded(picture, kind.upper(), **options)
        for share in (0.5, 0.95):
            cut = content[: int(len(content) * share) // 2 * 2]
            broken[f"{len(broken)}.{kind}"] = cut
            if kind == "webp":  # with sizes that fit
                sized = cut[:4] + struct.pack("<I", len(cut) - 8) + cut[8:16] + struct.pack("<I", len(cut) - 20) + cut[20:]
                broken[f"{len(broken)}.{kind}"] = sized
    for name, content in broken.items():
        with pytest.raises(UserError, match=f"{name}: is not a complete image"):
            decode(content, name)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "1", "RGBA", "LA"])
def test_colours_are_those_of_the_published_loader(tmp_path, mode):
    picture = noisy(6, (40, 30))
    picture = picture.convert("L").convert(mode) if mode in ("LA", "1") else picture.convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(path)
    np.testing.assert_array_equal(np.asarray(coloured(read_picture(path), 3)), np.asarray(pil_loader(str(path))))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_tag_changes_nothing_as_in_the_published_loader(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    noisy(7, (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    read = coloured(read_picture(tmp_path / "a.jpg"), 3)
    assert read.size == (40, 30)
    np.testing.assert_array_equal(np.asarray(read), np.asarray(pil_loader(str(tmp_path / "a.jpg"))))


def test_a_file_is_read_by_its_content_but_only_as_a_kind_that_it_may_be(tmp_path):
    picture = noisy(8, (20, 10))
    picture.save(tmp_path / "really_png.jpg", "PNG")
    assert coloured(read_picture(tmp_path / "really_png.jpg"), 3).tobytes() == picture.tobytes()
    for kind in ("TIFF", "GIF", "PPM"):
        picture.save(tmp_path / "other.jpg", kind)
        with pytest.raises(UserError, match="not a complete image"):
            read_picture(tmp_path / "other.jpg")


def test_a_picture_that_is_too_large_is_called_so(monkeypatch):
    content = encoded(noisy(0, (64, 48)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"large\.png: has more pixels than are decoded"):
        decode(content, "large.png")


@pytest.mark.parametrize(
    ("options", "place"),
    [*(({}, place) for place in (0.2, 0.4, 0.6, 0.8)), *(({"progressive": True}, place) for place in (0.08, 0.2, 0.3))],
)
def test_a_jpeg_of_which_a_part_was_never_written_is_refused(options, place):
    """A download that was laid out beforehand, or a disk that failed, leaves zeros; Pillow decodes them without a word.

    A hole in the scan that tells the last bit of each coefficient may stay unseen.
    """
    content = encoded(noisy(3, (640, 480)), "JPEG", quality=90, **options)
    decode(content, "whole.jpg")
    start = int(len(content) * place)
    holed = content[:start] + bytes(4096) + content[start + 4096 :]
    Image.open(io.BytesIO(holed)).load()
    with pytest.raises(UserError, match=r"holed\.jpg: is not a complete image"):
        decode(holed, "holed.jpg")


@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}])
@pytest.mark.parametrize("drawn", ["nothing", "above", "below"])
def test_an_even_jpeg_is_whole_though_its_data_are_zeros(options, drawn):
    picture = Image.new("RGB", (1600, 1200), "white")
    if drawn != "nothing":
        picture.paste(noisy(0, (100, 100)), (0, 0) if drawn == "above" else (1500, 1100))
    content = encoded(picture, "JPEG", **options)
    assert bytes(512) in content, "a case that is none"
    assert decode(content, "even.jpg").size == (1600, 1200)

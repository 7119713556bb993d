"""Which frames come out of a video file, whatever its container and its groups of pictures."""

import struct

import av
import numpy as np
import pytest

from m2pt.config import UserError
from m2pt.modalities.video.decoding.videos import opened
from tests.modalities.video.coded import number, numbered, write_video

OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=12:bframes=3:b-adapt=0:scenecut=0"}


def picked(path, indices):
    with opened(path) as video:
        return video.pick(indices, lambda frame: number(frame.to_ndarray(format="gray")))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("one_group.mp4", "libx264", {"g": "250", "bf": "3"}),
        ("groups.mp4", "libx264", {"g": "12", "bf": "3", "b_strategy": "0"}),
        ("open.mp4", "libx264", OPEN_GROUPS),
        ("open.mkv", "libx264", OPEN_GROUPS),
        ("keys.mp4", "libx264", {"g": "1"}),
        ("old.avi", "mpeg4", {"g": "12"}),
        ("youtube.webm", "libvpx-vp9", {"g": "12"}),
        ("camera.mov", "libx264", {"g": "12"}),
    ],
)
def test_every_frame_is_found_by_its_index(tmp_path, name, codec, options):
    path = tmp_path / name
    write_video(path, numbered(70, 64, 32), codec=codec, options=options)
    with opened(path) as video:
        assert len(video) == 70
    assert picked(path, range(70)) == {index: index for index in range(70)}
    rng = np.random.default_rng(0)
    for _ in range(6):
        chosen = rng.choice(70, size=4, replace=False).tolist()
        assert picked(path, chosen) == {index: index for index in chosen}
    for index in (0, 1, 11, 12, 13, 69):
        assert picked(path, [index]) == {index: index}


def test_only_wanted_frames_are_converted(tmp_path):
    write_video(tmp_path / "clip.mp4", numbered(60), options={"g": "12"})
    with opened(tmp_path / "clip.mp4") as video:
        seen = []
        video.pick([40, 8, 8, 30], lambda frame: seen.append(number(frame.to_ndarray(format="gray"))))
    assert seen == [8, 30, 40]


def test_decoding_starts_at_the_key_frame_before(tmp_path):
    """The first group is destroyed, so whoever decodes from the beginning meets it; later groups are whole."""
    path = tmp_path / "clip.mp4"
    write_video(path, numbered(60), options={"g": "12"})
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][:12]
    content = bytearray(path.read_bytes())
    for start, size in places:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    assert picked(path, [12, 30, 59]) == {12: 12, 30: 30, 59: 59}
    with pytest.raises(UserError, match=r"clip\.mp4: is not a complete video"):
        picked(path, [3])


@pytest.mark.parametrize(("start", "length"), [(0, 30), (20, 40), (17, 20)])
def test_an_edit_list_leaves_frames_out(tmp_path, start, length):
    """A clip cut out of a longer video without encoding it again keeps more frames than it shows."""
    path = tmp_path / "cut.mp4"
    write_video(path, numbered(60), options={"g": "12", "bf": "0"})
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 12
    duration, first = struct.unpack(">Ii", content[place : place + 8])
    with av.open(str(path)) as container:
        ticks = int(1 / (25 * container.streams.video[0].time_base))
    content[place : place + 8] = struct.pack(">Ii", duration * length // 60, first + ticks * start)
    path.write_bytes(content)
    with opened(path) as video:
        assert len(video) == length
    assert picked(path, [0, 5, length - 1]) == {0: start, 5: start + 5, length - 1: start + length - 1}


def test_a_file_without_video_is_named(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match=r"sound\.mp4: is not a complete video"), opened(path):
        pass


# Where a file ends


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")],
)
def test_a_file_that_ends_early_is_refused(tmp_path, name, codec):
    """FFmpeg reads Matroska and AVI as far as they go: 62 of 70 frames of nine tenths of the former."""
    path = tmp_path / name
    write_video(path, numbered(70, 64, 32), codec=codec, options={"g": "12"})
    whole = path.read_bytes()
    with opened(path) as video:
        assert len(video) == sum(1 for _ in video.frames()) == 70
    for share in (0.05, 0.5, 0.9, 0.99, 0.9999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=rf"{name}: is not a complete video"), opened(path):
            pass


def test_an_avi_that_repeats_frames_is_read(tmp_path):
    """A pause is stored as frames without content, which the header counts: 25 of which 20 are there, as decord reads them."""
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 32, "yuv420p"
        for index, pixels in enumerate(numbered(20, 96, 32)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")
            frame.pts = index + 5 * (index >= 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.avi")) as container:
        assert container.streams.video[0].frames == 25
    assert picked(tmp_path / "a.avi", range(20)) == {index: index for index in range(20)}


@pytest.mark.parametrize(
    "flags", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+global_sidx", "frag_keyframe+empty_moov+skip_trailer"]
)
def test_a_movie_in_fragments_is_read_whole_or_refused(tmp_path, flags):
    """FFmpeg reads fragments as far as they go; an index behind them shows that they are all there."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": flags}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 32, "yuv420p"
        for pixels in numbered(40, 96, 32):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    fragments = [place - 4 for place in range(len(whole)) if whole[place : place + 4] == b"moof"]
    assert len(fragments) == 4
    if "trailer" in flags or "sidx" in flags:
        with pytest.raises(UserError, match="does not say where it ends"), opened(path):
            pass
        return
    assert picked(path, range(40)) == {index: index for index in range(40)}
    for length in (*fragments[1:], fragments[2] + 100):  # between two fragments, and within one
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"not a complete video|does not say where it ends"), opened(path):
            pass


def test_an_old_movie_without_a_brand_is_checked_too(tmp_path):
    path = tmp_path / "a.mov"
    write_video(path, numbered(70, 64, 32), options={"movflags": "+faststart"})
    content = path.read_bytes()
    size = int.from_bytes(content[:4], "big")
    content = b"\0\0\0\x08wide" + content[size:]
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a complete video"):  # its offsets are wrong now
        picked(path, range(70))
    path.write_bytes(content[:-100])
    with pytest.raises(UserError, match="not a complete video"), opened(path):
        pass


@pytest.mark.parametrize(
    ("kind", "codec"), [("mpegts", "libx264"), ("mpeg", "mpeg2video"), ("flv", "flv1"), ("matroska", "libx264")]
)
def test_a_container_that_does_not_say_where_it_ends_is_refused(tmp_path, kind, codec):
    """Matroska does, but not where it was written as a stream."""

    class Pipe:
        def __init__(self):
            self.content = b""

        def write(self, part):
            self.content += bytes(part)
            return len(part)

    pipe = Pipe()
    with av.open(pipe, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for pixels in numbered(20, 64, 32):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode(None))
    (tmp_path / "a b.video").write_bytes(pipe.content)
    with pytest.raises(UserError, match=r"a b\.video: .* does not say where it ends.*ffmpeg -i"), opened(tmp_path / "a b.video"):
        pass


# How it is shown


def show(path):
    with opened(path) as video:
        return video.pick([0], video.upright(lambda frame: frame.to_ndarray(format="gray")))[0]


def matrix(content, a, b, c, d):
    """The file with this matrix in its track header: x' = a·x + c·y, y' = b·x + d·y (ISO/IEC 14496-12, 6.2.2), y downwards."""
    place = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags; times, track, duration; layer and volume; reserved
    one = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    place = content.index(one, place - 24)
    return content[:place] + struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30) + content[place + 36 :]


@pytest.mark.parametrize("way", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_a_video_is_turned_as_its_matrix_says(tmp_path, way):
    """Each corner of the picture lands where the matrix puts it."""
    path = tmp_path / "a.mp4"
    picture = np.zeros((32, 64), np.uint8)
    corners = {(0, 0): 60, (63, 0): 120, (0, 31): 180, (63, 31): 240}  # (x, y): grey
    for (x, y), grey in corners.items():
        picture[(y // 31) * 16 : (y // 31) * 16 + 16, (x // 63) * 32 : (x // 63) * 32 + 32] = grey
    write_video(path, np.stack([picture] * 4), lossless=True)
    path.write_bytes(matrix(path.read_bytes(), *way))
    shown, (a, b, c, d) = show(path), way
    places = {corner: (a * corner[0] + c * corner[1], b * corner[0] + d * corner[1]) for corner in corners}
    left, top = min(x for x, _ in places.values()), min(y for _, y in places.values())
    assert shown.shape == ((64, 32) if b else (32, 64))
    for corner, (x, y) in places.items():
        assert abs(int(shown[y - top, x - left]) - corners[corner]) <= 1


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mov"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_other_containers_are_turned_too(tmp_path, name, degrees):
    """Written by FFmpeg with a turn to the left; what is shown is the picture as it is without, turned."""
    frames = numbered(4, 96, 32)
    shown = {}
    for turn in (0, degrees):
        write_video(tmp_path / name, frames, codec="libvpx-vp9" if name == "a.webm" else "libx264", rotation=turn)
        shown[turn] = show(tmp_path / name)
    np.testing.assert_array_equal(shown[degrees], np.rot90(shown[0], degrees // 90))


@pytest.mark.parametrize(("tag", "turns"), [("90", -1), ("180", 2), ("270", 1), ("45", 0), ("upside down", 0)])
def test_a_tag_turns_too(tmp_path, tag, turns):
    """The old way to say it, in degrees to the right; decord looks at it first, and passes other angles over."""
    shown = {}
    for value in (None, tag):
        with av.open(str(tmp_path / "a.mkv"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 32, "yuv420p"
            if value:
                stream.metadata["rotate"] = value
            for pixels in numbered(4, 96, 32):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")))
            container.mux(stream.encode(None))
        shown[value] = show(tmp_path / "a.mkv")
    np.testing.assert_array_equal(shown[tag], np.rot90(shown[None], turns))


def test_the_video_is_read_and_not_the_picture_of_its_cover(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        cover, stream = (container.add_stream("libx264", rate=25, options={"preset": "ultrafast"}) for _ in range(2))
        for made in (cover, stream):
            made.width, made.height, made.pix_fmt = 96, 32, "yuv420p"
        for made, frames in ((cover, numbered(31, 96, 32)[30:]), (stream, numbered(30, 96, 32))):
            for pixels in frames:
                container.mux(made.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")))
            container.mux(made.encode(None))
    with opened(path) as video:
        assert len(video) == 30
    assert picked(path, [7]) == {7: 7}

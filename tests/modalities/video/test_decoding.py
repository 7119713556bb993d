"""Which frames come out of a video file, whatever its container and its groups of pictures."""

import struct

import av
import numpy as np
import pytest

from m2pt.config import UserError
from m2pt.modalities.video.decoding import opened
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
        ("broadcast.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
        ("broadcast.ts", "libx264", {"g": "12"}),
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
    with pytest.raises(UserError, match=r"clip\.mp4: is no whole video"):
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
    with pytest.raises(UserError, match=r"sound\.mp4: is no whole video"), opened(path):
        pass

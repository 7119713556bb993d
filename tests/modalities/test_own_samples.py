"""One's own files as samples of each modality."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
import torch
import trimesh
from PIL import Image

from m2pt.config import AudioInput, FilesConfig, ImageInput, PointInput, TestConfig, UserError, VideoInput
from m2pt.modalities.point.decoding.clouds import SURFACE_POINTS, read_cloud
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.wanted import Wanted
from tests.modalities.video.coded import numbered, write_video

FORMS = {
    "image": ImageInput(form="published", size=32, channels=3, patch=16, mean=(0.5,) * 3, std=(0.5,) * 3),
    "audio": AudioInput(form="published", hop_ms=10.0, frames=16, mels=64, patch=16),
    "point": PointInput(form="published", points=16, groups=4, neighbours=4),
    "video": VideoInput(form="published", frames=2, stride=1, size=16, channels=1, tubelet=2, patch=16),
}
ALL_TRAIN = FilesConfig(val=0, test=0)


def opened(folder: Path, modality: str, files: FilesConfig = ALL_TRAIN, goal: str = "classification") -> Items:
    wanted = Wanted(FORMS[modality], None, TestConfig(), goal, files=files)
    dataset = SPECS[modality].dataset("folder" if files.table is None else "table")
    assert dataset is not None
    dataset.require_possible(wanted)
    items = dataset.open(folder, "train", wanted)
    assert items is not None
    return items


def test_pictures_are_read_as_those_of_imagenet_whatever_their_size_and_mode(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name, mode in (("a", "L"), ("b", "RGBA"), ("c", "RGB"), ("d", "P")):
            (tmp_path / split / name).mkdir(parents=True)
            picture = Image.fromarray(rng.integers(0, 256, (40, 57, 3), dtype=np.uint8)).convert(mode)
            picture.save(tmp_path / split / name / "x.png")
    theirs = (
        SPECS["image"].datasets["imagenet"].open(tmp_path, "train", Wanted(FORMS["image"], None, TestConfig(), "classification"))
    )
    ours = opened(tmp_path / "train", "image")
    assert theirs is not None and ours.classes == theirs.classes == ("a", "b", "c", "d")
    for index in range(4):
        assert torch.equal(ours.test(index)["x"], theirs.test(index)["x"])
        assert ours.test(index)["y"] == theirs.test(index)["y"] == index
        assert ours.name(index) == theirs.name(index)


def test_sounds_of_any_rate_and_length_may_have_several_labels(tmp_path: Path) -> None:
    for number, (rate, seconds) in enumerate([(8000, 0.05), (44100, 2.0), (16000, 0.5)]):
        time = np.arange(int(rate * seconds)) / rate
        soundfile.write(tmp_path / f"{number}.wav", 0.5 * np.sin(2 * np.pi * 500 * time), rate)
    (tmp_path / "t.csv").write_text("file,label\n0.wav,hum|low\n1.wav,low\n2.wav,\n")
    files = FilesConfig(table="t.csv", separator="|", val=0, test=0)
    items = opened(tmp_path, "audio", files, "tagging")
    assert items.labels is not None and items.labels.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert {tuple(items.test(index)["x"].shape) for index in range(3)} == {(1, 1, 16, 64)}
    assert items.test(0)["y"].tolist() == [1, 1]
    loud = [items.test(index)["x"][0, 0, 4].argmax().item() for index in (1, 2)]
    assert loud[0] == loud[1]  # the same tone at any rate


@pytest.mark.parametrize("goal", ["classification", "tagging"])
def test_videos_are_read_frame_by_frame(tmp_path: Path, goal: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "x.mp4", numbered(6), lossless=True)
    files = ALL_TRAIN
    if goal == "tagging":
        (tmp_path / "t.csv").write_text("file,label\na/x.mp4,a\nb/x.mp4,b;a\n")
        files = FilesConfig(table="t.csv", separator=";", val=0, test=0)
    # Both are the same video, and nothing is split here.
    items = opened(tmp_path, "video", files, goal)
    assert items.classes == ("a", "b") and items.name(1) == f"{tmp_path}/b/x.mp4"
    assert items.test(1)["y"].tolist() == (1 if goal == "classification" else [1, 1])
    for name in ("train.csv", "val.csv"):
        (tmp_path / name).write_text("a/x.mp4 0\nb/x.mp4 1\n")
    wanted = Wanted(FORMS["video"], None, TestConfig(), "classification")
    theirs = SPECS["video"].datasets["kinetics"].open(tmp_path, "train", wanted)
    assert theirs is not None and torch.equal(items.test(1)["x"], theirs.test(1)["x"])


CLOUD = np.random.default_rng(0).normal(size=(50, 3)).round(4)


def _text(separator: str, *, heading: str = "", more: int = 0) -> bytes:
    rows = (separator.join(f"{value:.4f}" for value in (*row, *[0.5] * more)) for row in CLOUD)
    return (heading + "\n".join(rows) + "\n").encode()


def _ply(encoding: str) -> bytes:
    written: bytes = trimesh.PointCloud(CLOUD).export(file_type="ply", encoding=encoding)
    return written


def _vertices() -> bytes:
    return b"# a cloud\nmtllib other.mtl\n" + b"".join(f"v {x:.4f} {y:.4f} {z:.4f}\n".encode() for x, y, z in CLOUD)


CLOUDS = {
    "x.txt": _text(" "),
    "colours.txt": _text(" ", more=3),
    "heading.csv": _text(",", heading="x,y,z\n"),
    "x.xyz": _text("\t"),
    "count.pts": _text(" ", heading="50\n"),
    "semicolons.csv": _text(";"),
    "decimal commas.csv": _text(";").replace(b".", b","),
    "ascii.ply": _ply("ascii"),
    "binary.ply": _ply("binary"),
    "vertices.obj": _vertices(),
}


def written(path: Path) -> Path:
    if path.suffix == ".npy":
        np.save(path, CLOUD.astype(np.float32))
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["data"] = CLOUD
    else:
        path.write_bytes(CLOUDS[path.name])
    return path


@pytest.mark.parametrize("name", [*CLOUDS, "x.npy", "x.h5"])
def test_a_cloud_is_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    assert np.allclose(read_cloud(written(tmp_path / name)), CLOUD, atol=1e-6)


def test_the_size_of_a_file_is_told_in_its_units(tmp_path: Path) -> None:
    Image.new("RGB", (57, 40)).save(tmp_path / "x.png")
    soundfile.write(tmp_path / "x.wav", np.zeros(22050), 44100)
    write_video(tmp_path / "x.mp4", numbered(6), lossless=True)
    files = {"image": "x.png", "audio": "x.wav", "point": written(tmp_path / "x.npy").name, "video": "x.mp4"}
    sizes = {modality: SPECS[modality].own().sizes(tmp_path / name) for modality, name in files.items()}
    assert sizes["image"] == {"width (pixels)": 57, "height (pixels)": 40}
    assert sizes["audio"] == {"length (s)": 0.5, "sampling rate (Hz)": 44100, "channels": 1}
    assert sizes["point"] == {"points": len(CLOUD)}
    frames = sizes["video"]["length (s)"] * sizes["video"]["frames per second"]
    assert frames == pytest.approx(6) and sizes["video"]["width (pixels)"] == numbered(6).shape[2]


@pytest.mark.parametrize("suffix", ["ply", "obj", "off", "stl"])
def test_points_are_drawn_from_the_surface_of_a_mesh_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    box = trimesh.creation.box(extents=(2, 2, 2))
    (tmp_path / f"box.{suffix}").write_bytes(data if isinstance(data := box.export(file_type=suffix), bytes) else data.encode())
    points = read_cloud(tmp_path / f"box.{suffix}")
    assert points.shape == (SURFACE_POINTS, 3)
    assert np.abs(np.abs(points).max(axis=1) - 1).max() < 1e-6  # each point is on a face
    sides = [((points[:, axis] * sign) > 1 - 1e-6).mean() for axis in range(3) for sign in (1, -1)]
    assert all(abs(share - 1 / 6) < 0.02 for share in sides)
    assert np.array_equal(points, read_cloud(tmp_path / f"box.{suffix}"))


@pytest.mark.parametrize("name", ["ascii.ply", "binary.ply", "x.npy", "x.h5", "x.txt"])
def test_a_cut_cloud_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)] if path.suffix != ".txt" else content[:-3])  # within a number
    with pytest.raises(UserError, match="is not a complete point cloud"):
        read_cloud(path)


@pytest.mark.parametrize("kind", ["points", "faces"])
def test_a_ply_with_fewer_elements_than_it_promises_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "points":
        lines = _ply("ascii").splitlines(keepends=True)[:-20]
    else:
        lines = trimesh.creation.box().export(file_type="ply", encoding="ascii").splitlines(keepends=True)[:-3]
    (tmp_path / "x.ply").write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="is not a complete point cloud"):
        read_cloud(tmp_path / "x.ply")


@pytest.mark.parametrize("shape", [(3, 50), (50,), (50, 2), (0, 3)])
def test_an_array_that_is_no_list_of_points_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(UserError, match="holds numbers of shape"):
        read_cloud(tmp_path / "x.npy")


def test_an_array_that_promises_more_than_its_file_holds_takes_no_memory(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3), }".ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match="is not a complete point cloud"):
        read_cloud(tmp_path / "x.npy")


def test_a_pickled_array_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="is not a complete point cloud"):
        read_cloud(tmp_path / "x.npy")


def test_clouds_are_samples_and_one_with_few_points_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", CLOUD)
    (tmp_path / "b" / "few.npy").write_bytes((tmp_path / "b" / "x.npy").read_bytes())
    np.save(tmp_path / "b" / "few.npy", CLOUD[:15])
    items = opened(tmp_path, "point")
    assert items.test(0)["x"].shape == (1, 16, 3)
    with pytest.raises(UserError, match=r"few.npy: has 15 points, fewer than the input's points \(16\)"):
        items.test(1)


@pytest.mark.parametrize("modality", SPECS)
def test_other_goals_and_inputs_are_refused(tmp_path: Path, modality: str) -> None:
    dataset = SPECS[modality].dataset("folder")
    assert dataset is not None
    other = FORMS["audio" if modality != "audio" else "image"]
    for wanted in (
        Wanted(FORMS[modality], None, TestConfig(), "semantic_segmentation", files=ALL_TRAIN),
        Wanted(other, None, TestConfig(), "classification", files=ALL_TRAIN),
    ):
        with pytest.raises(UserError, match=r"\.$"):
            dataset.require_possible(wanted)

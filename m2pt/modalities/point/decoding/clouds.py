"""A cloud in a file of its own, in any common format. Shapes: Q points, F triangles."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.point.decoding.hdf5 import POINTS, require_written
from m2pt.modalities.point.decoding.text import is_cut

TEXT = (".txt", ".xyz", ".pts", ".csv")
MESHES = (".ply", ".obj", ".off", ".stl")
HDF5 = (".h5", ".hdf5")
SUFFIXES = (*TEXT, ".npy", *HDF5, *MESHES)

SURFACE_POINTS = 8192
"""How many points are drawn from the surface of a mesh, as ScanObjectNN's and ModelNet40's clouds were drawn from theirs."""

_MOST_BYTES = 2**30
_MOST_NUMBERS = 20
"""Of a point: its place, and what belongs to it, such as colours and normals."""


def read_cloud(path: Path) -> NDArray[np.float64]:
    """The points (Q, 3) of a file; further numbers of a point, such as colours and normals, are left out.

    Text has a point a line, its numbers separated by spaces, commas or semicolons; lines of other text may come first.
    HDF5 has them in `data`. Of a mesh (PLY, OBJ, OFF, STL with triangles), `SURFACE_POINTS` points are drawn uniformly from its
    surface, the same each time; of one without triangles, its vertices are the points.

    Raises:
        UserError: the file is missing, truncated, damaged, or holds no points.

    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: has more than {_MOST_BYTES:,} bytes, which no cloud needs; thin it out.")
        points = np.asarray(_reader(path)(path), dtype=np.float64)
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        AttributeError,
        EOFError,
        AssertionError,
    ) as error:
        raise UserError(
            f"{path}: is not a complete point cloud (truncated, damaged or of another form); restore the file."
        ) from error
    if points.ndim != 2 or not 3 <= points.shape[1] <= _MOST_NUMBERS or not len(points):
        raise UserError(
            f"{path}: holds numbers of shape {points.shape}, not (points, 3 to {_MOST_NUMBERS}); restore or convert the file."
        )
    return points[:, :3]


def _reader(path: Path) -> Callable[[Path], Any]:
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return _of_text
    if suffix == ".npy":
        return _of_npy
    return _of_hdf5 if suffix in HDF5 else _of_mesh


def _of_text(path: Path) -> NDArray[np.float64]:
    text = path.read_text(encoding="utf-8-sig")
    plain = text.replace(",", ".").replace(";", " ") if ";" in text else text.replace(",", " ")  # with semicolons, decimal commas
    lines = plain.splitlines()
    filled = [line for line in lines if line.strip()]
    start = next((number for number, line in enumerate(filled) if len(_numbers(line)) >= 3), len(filled))
    if start > 20:
        raise ValueError("no points among the first lines")
    rows = [_numbers(line) for line in filled[start:]]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("lines of different lengths")
    if is_cut(path, next((sign for sign in ",;" if sign in text), None)):
        raise ValueError("the last line is cut")
    return np.asarray(rows, dtype=np.float64)


def _of_npy(path: Path) -> NDArray[Any]:
    points: NDArray[Any] = np.load(
        path, mmap_mode="r", allow_pickle=False
    )  # a header that promises more than there is, is refused
    if points.dtype.kind not in "fiu":
        raise ValueError("no numbers")
    return points


def _numbers(line: str) -> list[float]:
    try:
        return [float(value) for value in line.split()]
    except ValueError:
        return []


def _of_hdf5(path: Path) -> NDArray[Any]:
    with h5py.File(path, "r") as file:
        require_written(path, file, POINTS)
        points: NDArray[Any] = file[POINTS][()]
    return points[0] if points.ndim == 3 and len(points) == 1 else points


def _of_mesh(path: Path) -> NDArray[Any]:
    try:
        import trimesh
    except ImportError as error:
        raise UserError(f"{path}: trimesh, which reads meshes, is missing; run: pip install 'm2pt[files]'.") from error
    if path.suffix.lower() == ".ply":
        _require_whole_ply(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # From memory, so that nothing beside the file is read: an OBJ may name materials and pictures.
        loaded: Any = trimesh.load(
            io.BytesIO(path.read_bytes()), file_type=path.suffix.lower()[1:], process=False, skip_materials=True, resolver=None
        )
        if isinstance(loaded, trimesh.Scene):
            loaded = loaded.to_mesh()
    faces = getattr(loaded, "faces", None)
    if faces is None or not len(faces):
        vertices: NDArray[Any] = np.asarray(loaded.vertices)
        return vertices
    if not (loaded.area > 0 and np.isfinite(loaded.vertices).all()):
        raise ValueError("a surface without area, or a coordinate that is no number")
    sampled: NDArray[Any] = trimesh.sample.sample_surface(loaded, SURFACE_POINTS, seed=0)[0]
    return sampled


def _require_whole_ply(path: Path) -> None:
    """Refuse a PLY with fewer lines, or bytes, than its header promises elements: trimesh reads what there is."""
    content = path.read_bytes()
    header, mark, body = content.partition(b"end_header")
    counts = [int(words[2]) for line in header.splitlines() if len(words := line.split()) == 3 and words[0] == b"element"]
    if not mark or not counts:
        raise ValueError("no header")
    there = len(body.split(b"\n")) - 1 if b"format ascii" in header else len(body)
    if sum(counts) > there:
        raise ValueError("fewer elements than promised")

"""The embedded point data: surfaces of ten solids, stretched, turned and partly cut away, in the HDF5 layout of ModelNet40.

Shape suffixes: F triangles, P points.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from m2pt.config import EmbeddedData
from m2pt.modalities.embedded.sizes import split_sizes
from m2pt.modalities.embedded.synthesis import balanced_labels, generator, optional_package, write_lines

VERSION = 1
"""Increase this with every change that alters a file."""

POINTS = 192
STRETCH = 0.2  # each axis by exp(± this)
TILT = 20.0  # degrees from upright, at most; any angle around the upright axis
CUT = 0.12  # at most this share of the surface is missing, beyond a plane of random direction
NOISE = 0.01
CLOUDS_PER_FILE = 2048
DECIMALS = 4

CLASSES = (
    "annulus", "box", "capsule", "cone", "cylinder", "hexagonal_prism", "pyramid", "sphere", "torus", "triangular_prism",
)  # fmt: skip

SOURCE = [
    f"Surfaces of ten solids, {POINTS} points each: stretched, turned, partly cut away, with noise.",
    "Made from the solids of trimesh (MIT licence); the point clouds are free of any third party's rights.",
    "Layout: <split>_files.txt lists HDF5 files with `data` (N, P, 3) and `label` (N, 1); shape_names.txt names the labels.",
    "The splits share no random draw.",
]


def write(folder: Path, sizes: EmbeddedData) -> None:
    """Write the complete data set below `folder`, which must be empty or missing.

    Raises:
        UserError: trimesh is not installed, or a size is too small for ten classes.

    """
    solids = _solids()
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in split_sizes(sizes).items():
        rng = generator(sizes, "point", split)
        labels = balanced_labels(count, rng)
        clouds = np.stack([_cloud(solids[CLASSES[label]], rng) for label in labels]).astype(np.float32)
        names: list[str] = []
        for start in range(0, count, CLOUDS_PER_FILE):
            part = slice(start, start + CLOUDS_PER_FILE)
            names.append(f"ply_data_{split}{len(names)}.h5")
            with h5py.File(folder / names[-1], "w") as file:
                file.create_dataset("data", data=clouds[part], track_times=False)
                file.create_dataset("label", data=labels[part, None].astype(np.uint8), track_times=False)
        write_lines(folder / f"{split}_files.txt", names)
    write_lines(folder / "shape_names.txt", list(CLASSES))
    write_lines(folder / "SOURCE.txt", SOURCE)


def _solids() -> dict[str, NDArray[np.float64]]:
    """The triangles (F, 3, 3) of each class, about one unit large, upright along z."""
    creation = optional_package("trimesh.creation")
    meshes = {
        "annulus": creation.annulus(r_min=0.6, r_max=1.0, height=1.0),
        "box": creation.box(extents=(1.6, 1.6, 1.6)),
        "capsule": creation.capsule(height=1.0, radius=0.6),
        "cone": creation.cone(radius=1.0, height=1.8),
        "cylinder": creation.cylinder(radius=0.9, height=1.6),
        "hexagonal_prism": creation.cylinder(radius=0.9, height=1.6, sections=6),
        "pyramid": creation.cone(radius=1.2, height=1.8, sections=4),
        "sphere": creation.icosphere(subdivisions=3, radius=1.0),
        "torus": creation.torus(major_radius=0.75, minor_radius=0.3),
        "triangular_prism": creation.cylinder(radius=1.1, height=1.6, sections=3),
    }
    solids = {}
    for name, mesh in meshes.items():
        triangles_F33 = np.asarray(mesh.triangles, dtype=np.float64)
        corners = triangles_F33.reshape(-1, 3)
        solids[name] = triangles_F33 - (corners.min(axis=0) + corners.max(axis=0)) / 2
    return solids


def _cloud(triangles_F33: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(192, 3) points of one solid."""
    stretched = triangles_F33 * np.exp(rng.uniform(-STRETCH, STRETCH, size=3))
    surface = _sample(stretched, round(POINTS / (1.0 - rng.uniform(0.0, CUT))), rng)
    direction = rng.standard_normal(3)
    kept = np.argsort(surface @ direction, kind="stable")[:POINTS]
    points_P3 = rng.permutation(surface[kept]) @ _rotation(rng).T
    points_P3 += NOISE * rng.standard_normal(points_P3.shape)
    return np.round(points_P3, DECIMALS)


def _sample(triangles_F33: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 3) points drawn evenly from a surface."""
    origin, along, across = triangles_F33[:, 0], triangles_F33[:, 1], triangles_F33[:, 2]
    along, across = along - origin, across - origin
    areas = np.cumsum(np.linalg.norm(np.cross(along, across), axis=1))
    face = np.minimum(np.searchsorted(areas, rng.uniform(0.0, areas[-1], size=count)), len(areas) - 1)
    first, second = rng.uniform(size=(2, count, 1))
    # A point in the other half of the parallelogram is mirrored into the triangle.
    mirrored = first + second > 1
    first, second = np.where(mirrored, 1 - first, first), np.where(mirrored, 1 - second, second)
    points_P3: NDArray[np.float64] = origin[face] + first * along[face] + second * across[face]
    return points_P3


def _rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Any turn around z, then a tilt around a random horizontal axis."""
    yaw, axis = rng.uniform(0, 2 * np.pi, size=2)
    tilt = np.deg2rad(rng.uniform(0, TILT))
    x, y = np.cos(axis), np.sin(axis)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    lean = np.eye(3) + np.sin(tilt) * cross + (1 - np.cos(tilt)) * cross @ cross
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    rotation: NDArray[np.float64] = lean @ turn
    return rotation

"""Clouds and files of clouds for the tests of their readers."""

import h5py
import numpy as np

from m2pt.config import PointAugment, PointInput, TestConfig
from m2pt.modalities.shared.wanted import Wanted

CONFIG = PointInput(form="published", points=8, groups=2, neighbours=2)
AUGMENT = PointAugment(sample_from=12, scale=(0.8, 1.2), shift=0.1)


def wanted(variant=None, augment=AUGMENT, **test):
    return Wanted(CONFIG, augment, TestConfig(**test), "classification", variant)


def cloud(seed, points=20):
    return np.random.default_rng(seed).normal(size=(points, 3)).astype(np.float32) * 2 + 5


def write_h5(path, data, label, **others):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in {"data": data, "label": label, **others}.items():
            if values is not None:
                file.create_dataset(name, data=values, compression="gzip")


def unit(points):
    centred = points.astype(np.float64) - points.astype(np.float64).mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1).max()

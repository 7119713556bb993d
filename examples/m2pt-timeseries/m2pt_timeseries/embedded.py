"""The embedded series: ten forms, each in random pace, place and level, with drift and noise. Shapes: T steps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import EmbeddedData
from m2pt.modalities.embedded.sizes import split_sizes
from m2pt.modalities.embedded.synthesis import balanced_labels, generator, write_lines

VERSION = 1
"""Increase this with every change that alters a file."""

LENGTH = 96
FORMS = ("sine", "square", "triangle", "saw", "chirp", "fading", "bump", "two bumps", "step", "spikes")

Values = NDArray[np.float64]


def write(folder: Path, sizes: EmbeddedData) -> None:
    """Write the complete data set below `folder`, which must be empty or missing.

    Raises:
        UserError: a size is too small for ten classes.

    """
    folder.mkdir(parents=True)
    for split, count in split_sizes(sizes).items():
        rng = generator(sizes, "timeseries", split)
        labels = balanced_labels(count, rng)
        lines = ["\t".join([str(label + 1), *(f"{value:.3f}" for value in _series(int(label), rng))]) for label in labels]
        write_lines(folder / f"{split}.tsv", lines)
    forms = ", ".join(f"{number} {name}" for number, name in enumerate(FORMS, 1))
    write_lines(folder / "SOURCE.txt", [f"Made by m2pt-timeseries: {forms}.", "Layout: as the UCR archive's (arXiv 1810.07758)."])


def _series(label: int, rng: np.random.Generator) -> Values:
    time_T = np.linspace(0, 1, LENGTH)
    series_T = rng.uniform(0.7, 1.3) * _form(FORMS[label], time_T, rng)
    series_T += rng.normal(0, 0.5) * time_T + rng.normal(0, 0.3)
    series_T += rng.uniform(0.1, 0.3) * rng.standard_normal(LENGTH)
    return series_T


def _form(name: str, time_T: Values, rng: np.random.Generator) -> Values:
    pace, start = rng.uniform(2.0, 4.0), rng.uniform(0, 1)
    turn_T = (pace * time_T + start) % 1
    place, width = rng.uniform(0.25, 0.75), rng.uniform(0.04, 0.08)
    bump_T = np.exp(-(((time_T - place) / width) ** 2))
    forms: dict[str, Values] = {
        "sine": np.sin(2 * np.pi * turn_T),
        "square": np.where(turn_T < 0.5, 1.0, -1.0),
        "triangle": 4 * np.abs(turn_T - 0.5) - 1,
        "saw": 2 * turn_T - 1,
        "chirp": np.sin(2 * np.pi * (start + pace * time_T + 2 * pace * time_T**2)),
        "fading": 1.5 * np.sin(2 * np.pi * turn_T) * np.exp(-4 * time_T),
        "bump": 2 * bump_T,
        "two bumps": 2 * bump_T + 2 * np.exp(-(((time_T - (place + 0.3) % 1) / width) ** 2)),
        "step": np.where(time_T < place, -1.0, 1.0),
        "spikes": np.where(turn_T < 0.08, 2.0, 0.0),
    }
    return forms[name]

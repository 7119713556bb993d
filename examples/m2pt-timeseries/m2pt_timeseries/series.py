"""Files to series, and series to what the model sees. Shapes: C channels, T steps as stored, L steps that the model sees."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.shared.listings import read_lines
from m2pt_timeseries.section import TimeseriesAugment, TimeseriesInput

Series = NDArray[np.float64]


def read_labelled(path: Path) -> list[tuple[str, Series]]:
    """The label and the series (1, T) of each line of a file as the UCR archive has them: a label, then values, with tabs.

    Shorter series of the archive are filled up with NaN, which is cut off.

    Raises:
        UserError: the file is missing, empty or damaged.

    """
    rows = []
    for number, line in read_lines(path):
        label, *values = line.split("\t")
        series_T = _numbers(values, f"{path}, line {number}")
        known = np.flatnonzero(~np.isnan(series_T))
        series_T = series_T[: known[-1] + 1] if len(known) else series_T[:0]
        if len(series_T) < 2 or not np.isfinite(series_T).all():
            raise UserError(f"{path}, line {number}: is no series of two or more finite values; restore the line or remove it.")
        rows.append((_plain(label), series_T[None]))
    return rows


def read_series(path: Path) -> Series:
    """The series (C, T) of a file of its own: a line for each step, its channels separated by tabs or commas.

    Raises:
        UserError: the file is missing, empty or damaged.

    """
    steps = [_numbers(line.replace(",", "\t").split("\t"), f"{path}, line {number}") for number, line in read_lines(path)]
    if len({len(step) for step in steps}) > 1:
        raise UserError(f"{path}: has steps of different numbers of values; each line needs as many as there are channels.")
    series_CT = np.array(steps).T
    if series_CT.shape[1] < 2 or not np.isfinite(series_CT).all():
        raise UserError(f"{path}: is no series of two or more steps of finite values; restore the file or remove it.")
    return series_CT


def _numbers(values: list[str], where: str) -> Series:
    try:
        return np.array([float(value) for value in values])
    except ValueError as error:
        raise UserError(f"{where}: holds something else than numbers ({error}); correct it.") from error


def _plain(label: str) -> str:
    """A label as it is called: some files of the archive write 1 as 1.0000000e+00."""
    try:
        number = float(label)
    except ValueError:
        return label.strip()
    return f"{number:g}" if math.isfinite(number) else label.strip()


def fitted(series_CT: Series, config: TimeseriesInput, where: str) -> NDArray[np.float32]:
    """(C, L): resampled linearly, each channel with mean 0 and standard deviation 1.

    Raises:
        UserError: the series has another number of channels.

    """
    if len(series_CT) != config.channels:
        raise UserError(f"{where}: has {len(series_CT)} channels, and the input has {config.channels}; correct input.channels.")
    places = np.linspace(0, series_CT.shape[1] - 1, config.length)
    resampled_CL = np.stack([np.interp(places, np.arange(len(channel_T)), channel_T) for channel_T in series_CT])
    resampled_CL -= resampled_CL.mean(axis=1, keepdims=True)
    spread_C1 = resampled_CL.std(axis=1, keepdims=True)
    normalised_CL: NDArray[np.float32] = (resampled_CL / np.where(spread_C1 > 1e-8, spread_C1, 1.0)).astype(np.float32)
    return normalised_CL


def varied(series_CT: Series, augment: TimeseriesAugment, generator: np.random.Generator) -> Series:
    """A random part of a series."""
    length = series_CT.shape[1]
    kept = max(2, round(length * generator.uniform(augment.crop, 1.0)))
    start = int(generator.integers(length - kept + 1))
    return series_CT[:, start : start + kept]


def disturbed(series_CL: NDArray[np.float32], augment: TimeseriesAugment, generator: np.random.Generator) -> NDArray[np.float32]:
    """A series as the model sees it, with another level and noise."""
    factor = np.exp(augment.scale * generator.standard_normal())
    noise_CL = augment.noise * generator.standard_normal(series_CL.shape)
    disturbed_CL: NDArray[np.float32] = (series_CL * factor + noise_CL).astype(np.float32)
    return disturbed_CL

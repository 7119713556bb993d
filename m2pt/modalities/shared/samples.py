"""Decoded samples with their labels.

Shape suffixes: N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2pt.modalities.shared.listed import require_all_classes


@dataclass(frozen=True)
class Samples:
    """One split of one data set.

    `x` is float32: image (N, C, H, W) and video (N, C, T, H, W) in [0, 1]; audio (N, 1, frames, mels), log-mel, not normalised;
    point (N, P, 3), by default in the unit sphere. `y` (N,) int64 indexes `classes`.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]


def collect(x: Sequence[NDArray[Any]] | NDArray[Any], labels: Sequence[int], classes: Sequence[str], source: Path) -> Samples:
    """The samples of one split; `source` names the split in errors.

    Raises:
        UserError: there is no sample at all, or a class has none.

    """
    require_all_classes(labels, classes, source)
    array = np.ascontiguousarray(np.stack(x) if not isinstance(x, np.ndarray) else x, dtype=np.float32)
    return Samples(torch.from_numpy(array), torch.tensor(labels, dtype=torch.int64), tuple(classes))

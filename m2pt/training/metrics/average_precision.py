"""Mean average precision, for samples with many labels. Shape suffixes: N samples, K classes, P thresholds."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item
from m2pt.training.metrics.meter import Meter


class AveragePrecision(Meter):
    """AudioSet's scores: `map`, the mean over classes of the average precision, and `auc`, the mean area under the ROC curve.

    Average precision is `sum_P (recall_P - recall_{P-1}) * precision_P` over the distinct scores P as falling thresholds,
    without interpolation (AudioSet: Gemmeke et al., ICASSP 2017). Classes that no sample has are left out of `map`, and classes
    that all or no samples have are left out of `auc`. (AudioSet's third score, d', follows from the second: `sqrt(2)` times its
    normal quantile.)

    Scikit-learn's `average_precision_score` and `roc_auc_score` give the same values to the last digits. They sort every class
    twice (7 times slower for AudioSet's test set) and are in an optional package, so the tests compare with them instead.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._outputs: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.bool_]] = []

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in outputs (B, K), whose order alone matters, and `y` (B, K) of 0 and 1."""
        self._outputs.append(outputs.numpy())
        self._labels.append(batch["y"].numpy() > 0.5)

    def merge(self, other: Self) -> None:
        """Add the samples of another meter."""
        self._outputs += other._outputs
        self._labels += other._labels

    def result(self) -> dict[str, float]:
        """`map` and `auc` in percent.

        Raises:
            UserError: no class can be scored.

        """
        empty = np.zeros((0, self._num_classes))
        outputs_NK = np.concatenate([empty.astype(np.float32), *self._outputs])
        labels_NK = np.concatenate([empty.astype(np.bool_), *self._labels])
        precisions, areas = [], []
        for scores_N, labels_N in zip(outputs_NK.T, labels_NK.T, strict=True):
            if labels_N.any():
                right_P, wrong_P = _counts(scores_N, labels_N)
                precisions.append(_average_precision(right_P, wrong_P))
                if wrong_P[-1] > 0:
                    areas.append(_area_under_roc(right_P, wrong_P))
        if not precisions:
            raise UserError("No sample has a label, so there is no average precision; check the labels of the data set.")
        scores = {"map": 100.0 * float(np.mean(precisions))}
        return scores | {"auc": 100.0 * float(np.mean(areas))} if areas else scores


def _counts(scores_N: NDArray[np.float32], labels_N: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of the samples that reach each threshold have the label, and how many do not; thresholds fall."""
    order = np.argsort(-scores_N, kind="stable")
    falling_N = scores_N[order]
    last = np.append(np.flatnonzero(np.diff(falling_N)), len(falling_N) - 1)  # the last of the samples with equal scores
    right_P = np.cumsum(labels_N[order], dtype=np.int64)[last]
    return right_P, last + 1 - right_P


def _average_precision(right_P: NDArray[np.int64], wrong_P: NDArray[np.int64]) -> float:
    gained_P = np.diff(right_P, prepend=0)
    return float(np.sum(gained_P * (right_P / (right_P + wrong_P))) / right_P[-1])


def _area_under_roc(right_P: NDArray[np.int64], wrong_P: NDArray[np.int64]) -> float:
    """The area by trapezoids, so that samples with equal scores count half."""
    right_P, wrong_P = np.append(0, right_P), np.append(0, wrong_P)
    return float(np.sum(np.diff(wrong_P) * (right_P[1:] + right_P[:-1])) / 2 / (right_P[-1] * wrong_P[-1]))

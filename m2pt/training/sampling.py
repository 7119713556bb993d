"""Which samples an epoch trains with, in which order, and which are held out: pure functions of labels and a seed.

Shape suffixes: N samples, K classes.
"""

import numpy as np
import torch
from torch import Tensor

from m2pt.config import UserError


def weights(labels: Tensor) -> Tensor:
    """The weight with which each sample is drawn, (N,) float64: the sum of `1000 / (n + 0.01)` over its classes, n samples each.

    `labels` are (N,) int64, or (N, K) of 0 and 1. AudioMAE's for AudioSet-2M (arXiv 2207.06405, appendix B).
    """
    if labels.ndim == 1:
        rows, classes = np.arange(len(labels)), labels.numpy()
    else:
        rows, classes = (part.numpy() for part in labels.nonzero(as_tuple=True))
    of_class = 1000.0 / (np.bincount(classes) + 0.01)
    return torch.from_numpy(np.bincount(rows, weights=of_class[classes], minlength=len(labels)))


def weighted_order(labels: Tensor, count: int, generator: torch.Generator, *, replacement: bool = False) -> Tensor:
    """`count` samples (count,) in the order of drawing, by their weights.

    Without replacement all are different, and each draw is from the remaining ones: samples with rare classes come early in an
    epoch, and at most once. With replacement every draw is from all, so samples occur in proportion to their weights.

    Raises:
        UserError: no sample has a label, or fewer have one than are to be drawn without replacement.

    """
    weights_N = weights(labels)
    labelled = int((weights_N > 0).sum())
    if labelled == 0 or (count > labelled and not replacement):
        raise UserError(
            f"finetune.epoch_samples: {count} are to be drawn, but {labelled} training samples are labelled; lower it."
        )
    return torch.multinomial(weights_N, count, replacement=replacement, generator=generator)


def holdout(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """The indices that are kept for training and those that are held out, both ascending.

    With one label each, (N,) int64, the fraction is held out of every class (which keeps at least one sample). Samples with many
    labels, (N, K), are split at random, and so are samples whose labels are all different: pass indices if labels are unknown.

    Raises:
        UserError: a fraction above 0 holds out nothing.

    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    wanted = round(fraction * len(labels))
    held = torch.zeros(len(labels), dtype=torch.bool)
    if labels.ndim > 1 or len(labels.unique()) == len(labels):
        held[order[:wanted]] = True
    else:
        counts = torch.bincount(labels)
        shares = _shares(counts, fraction, wanted)
        grouped = order[labels[order].argsort(stable=True)]
        place = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[grouped]]
        held[grouped[place < shares[labels[grouped]]]] = True
    if fraction > 0 and not held.any():
        raise UserError(f"holdout: {fraction} of {len(labels)} training samples is none; raise it or add data.")
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def _shares(counts: Tensor, fraction: float, wanted: int) -> Tensor:
    """How many of each class are held out: its fraction rounded down, plus one for the classes that lose most by rounding."""
    exact = fraction * counts.double()
    shares = exact.long()
    lost = (exact - shares).masked_fill(shares + 1 >= counts, -1.0)
    for label in lost.argsort(descending=True, stable=True)[: max(0, wanted - int(shares.sum()))]:
        shares[label] += int(lost[label] > 0)
    return shares

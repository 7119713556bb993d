"""Which unit belongs to which, and which rotation fits best: assignments and orthogonal maps from similarities.

Shapes: H heads, E dimensions of a head.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Fit = Callable[[Tensor], tuple[Tensor, float]]
"""The best orthogonal map (E, E) for similarities (E, E) of our units (rows) to theirs, and what it reaches."""


def assignment(similarity: Tensor) -> Tensor:
    """The order (K,) of their units that makes the sum of similarities (K, K) to ours (rows) largest: place i gets `order[i]`."""
    from scipy.optimize import linear_sum_assignment  # a plan reads what methods declare, and matches nothing

    _, order = linear_sum_assignment(similarity.double().numpy(), maximize=True)
    return torch.from_numpy(order)


def permutation(similarity_EE: Tensor) -> tuple[Tensor, float]:
    """The best permutation matrix, and the sum of similarities that it reaches (a `Fit`)."""
    order = assignment(similarity_EE)
    rows = torch.arange(len(order))
    return torch.eye(len(order), dtype=torch.float64)[order], float(similarity_EE[rows, order].sum())


def rotation(similarity_EE: Tensor) -> tuple[Tensor, float]:
    """The orthogonal map R with the largest trace(R^T S), and that trace (a `Fit`): Schönemann 1966, by singular values.

    In directions in which there is no similarity at all, it stays as near to the identity as the others leave it.
    """
    similarity = similarity_EE.double()
    nudge = 1e-12 * torch.linalg.matrix_norm(similarity) * torch.eye(len(similarity), dtype=torch.float64)
    left, _, right = torch.linalg.svd(similarity + nudge)
    best = left @ right
    return best, float((best * similarity).sum())


def match_heads(keys_HHEE: Tensor, values_HHEE: Tensor, fit: Fit) -> tuple[Tensor, Tensor, Tensor]:
    """Which of their heads belongs to each of ours, with the maps of its queries and keys, and of its values.

    Args:
        keys_HHEE: for each of our heads and each of theirs, the similarities of their dimensions of queries and keys.
        values_HHEE: the same for values.
        fit: which maps are allowed inside a head.

    Returns:
        The order of heads (H,), and the maps (H, E, E) in that order.

    """
    heads = len(keys_HHEE)
    fits = [[(fit(keys_HHEE[i, j]), fit(values_HHEE[i, j])) for j in range(heads)] for i in range(heads)]
    reached = torch.tensor([[key[1] + value[1] for key, value in row] for row in fits], dtype=torch.float64)
    order = assignment(reached)
    chosen = [fits[i][j] for i, j in enumerate(order.tolist())]
    return order, torch.stack([key[0] for key, _ in chosen]), torch.stack([value[0] for _, value in chosen])

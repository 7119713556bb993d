"""A distance between two sets of labelled features, which compares their classes as well as their points.

Source: optimal transport dataset distance, OTDD (arXiv 2002.02923, section 3). Mass moves from each sample of one set to samples
of the other at the cost `|x - x'|² + W²(y, y')`, where W is the Wasserstein distance between the features of the two classes.

What is approximated here:

- W is that between normal distributions with the classes' means and diagonal covariances, which has a closed form (the Gaussian
  approximation of OTDD's section 4, with diagonal covariances).
- The outer transport is entropic, solved by Sinkhorn iterations, and debiased (Sinkhorn divergence, arXiv 1810.08278): the
  distance of a set from itself is 0. The regularisation is a fraction of the mean cost, so that the scale of features does not
  matter.

Shapes: N and M samples of the two sets, D features, K and L classes that occur in them.
"""

import math

import torch
from torch import Tensor

REGULARISATION = 0.05
"""The weight of the entropy, as a fraction of the mean cost."""

ITERATIONS = 60


def dataset_distance(x_ND: Tensor, y_N: Tensor, x_MD: Tensor, y_M: Tensor) -> Tensor:
    """The debiased squared distance (), with its gradient with respect to the features.

    The gradient is exact for plans that have converged: by Danskin's theorem, a plan can be held fixed.
    """
    ours, theirs = _Labelled(x_ND.double(), y_N), _Labelled(x_MD.double(), y_M)
    across = costs(ours, theirs)
    epsilon = REGULARISATION * float(across.detach().mean())
    distance = transport(across, epsilon)
    for one in (ours, theirs):
        distance = distance - transport(costs(one, one), epsilon) / 2
    return distance.to(x_ND.dtype)


class _Labelled:
    """Features in double precision, with the mean and the standard deviation of each class that occurs."""

    def __init__(self, x_ND: Tensor, y_N: Tensor) -> None:
        self.x = x_ND
        classes, self.place = y_N.unique(return_inverse=True)
        member_KN = torch.nn.functional.one_hot(self.place, len(classes)).T.to(x_ND.dtype)
        counts_K1 = member_KN.sum(dim=1, keepdim=True)
        self.mean = member_KN @ x_ND / counts_K1
        variance_KD = member_KN @ (x_ND - self.mean[self.place]).square() / counts_K1
        # A class of one sample has no spread, and the root has no gradient there.
        self.spread = (variance_KD + 1e-12).sqrt()


def costs(ours: _Labelled, theirs: _Labelled) -> Tensor:
    """The cost (N, M) of moving mass from each sample of one set to each of the other."""
    classes_KL = squared(ours.mean, theirs.mean) + squared(ours.spread, theirs.spread)
    return squared(ours.x, theirs.x) + classes_KL[ours.place][:, theirs.place]


def squared(x_ND: Tensor, x_MD: Tensor) -> Tensor:
    """Squared Euclidean distances (N, M)."""
    return (x_ND[:, None] - x_MD[None]).square().sum(dim=-1)


def transport(cost_NM: Tensor, epsilon: float) -> Tensor:
    """The entropic cost () of moving one uniform distribution to another; its gradient is the transport plan."""
    with torch.no_grad():
        plan, value = _sinkhorn(cost_NM.detach(), epsilon)
    moved = (plan * cost_NM).sum()
    return value + (moved - moved.detach())


def _sinkhorn(cost_NM: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The plan (N, M) and the value () of entropic transport between uniform distributions, by iterations on logarithms."""
    count, other = cost_NM.shape
    log_a, log_b = -math.log(count), -math.log(other)
    f_N, g_M = torch.zeros_like(cost_NM[:, 0]), torch.zeros_like(cost_NM[0])
    for _ in range(ITERATIONS):
        g_M = -epsilon * ((f_N[:, None] - cost_NM) / epsilon + log_a).logsumexp(dim=0)
        f_N = -epsilon * ((g_M[None] - cost_NM) / epsilon + log_b).logsumexp(dim=1)
    plan = ((f_N[:, None] + g_M[None] - cost_NM) / epsilon + log_a + log_b).exp()
    return plan, f_N.mean() + g_M.mean() - epsilon * (plan.sum() - 1)

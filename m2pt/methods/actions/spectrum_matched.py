"""What `m2pt.methods.spectrum_matched` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def turn(auxiliaries: Sequence[Encoder], seed: int) -> None:
    """Give every matrix of the encoders random singular vectors, in place, drawn from `seed`.

    Queries, keys and values are three matrices, though one layer computes them: each keeps a spectrum of its own. The matrix of a
    convolution has a row for each of its output channels.
    """
    generator = torch.Generator().manual_seed(seed)
    for auxiliary in auxiliaries:
        for name, parameter in auxiliary.named_parameters():
            if parameter.ndim > 1:
                rows = parameter.flatten(1)
                matrices = rows.chunk(3) if name.endswith("attn.qkv.weight") else (rows,)
                turned = torch.cat([with_random_vectors(matrix, generator) for matrix in matrices])
                parameter.copy_(turned.view_as(parameter))


def with_random_vectors(matrix_OI: Tensor, generator: torch.Generator) -> Tensor:
    """A matrix of the same shape and singular values, whose left and right singular vectors are drawn independently."""
    rows, columns = matrix_OI.shape
    values_R = torch.linalg.svdvals(matrix_OI.double())
    left_OR, right_IR = (random_frame(length, len(values_R), generator) for length in (rows, columns))
    product_OI: Tensor = (left_OR * values_R) @ right_IR.T
    return product_OI.to(matrix_OI.dtype)


def random_frame(length: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` orthonormal columns of a given length, uniformly distributed (by Haar's measure), as float64.

    Source: *How to generate random matrices from the classical compact groups* (Mezzadri, arXiv math-ph/0609050): the QR
    decomposition of a Gaussian matrix, with the signs that make the diagonal of R positive.
    """
    gaussian = torch.randn(length, count, generator=generator, dtype=torch.float64)
    orthonormal, upper = torch.linalg.qr(gaussian)
    frame: Tensor = orthonormal * upper.diagonal().sign()
    return frame


def join_turned(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Give the auxiliary's matrices random singular vectors, and join the result."""
    turn(auxiliaries, drawn_seed(spec, "spectrum matched"))
    join(model, spec, auxiliaries)

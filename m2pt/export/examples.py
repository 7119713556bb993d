"""Samples to compare a written model with the run's own on: the same for every run of one input. B samples, K classes."""

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.export.noise import noise
from m2pt.inference.trained import Trained

COUNT = 5

SAME = 1e-4
"""How far a written model's logits may be from the run's own, in parts of the largest of them (or of 1)."""


def examples(model: Trained) -> Tensor:
    """Samples (B, ...) as the model takes them."""
    return torch.from_numpy(noise(model.spec.modality, model.spec.input, COUNT))


def own_logits(model: Trained, x: Tensor) -> Tensor:
    """The logits (B, K) of the run's own model, in float32."""
    with torch.no_grad():
        logits: Tensor = model.model(x)
    return logits


def difference(own_BK: Tensor, theirs_BK: Tensor) -> float:
    """The largest difference of two models' logits.

    Raises:
        UserError: it is more than rounding explains, so that the written model is another one.

    """
    largest = float((own_BK - theirs_BK.reshape(own_BK.shape)).abs().max())
    limit = SAME * max(1.0, float(own_BK.abs().max()))
    if not largest <= limit:
        raise UserError(
            f"the written model's logits differ by {largest:.2g} from the run's own, more than the {limit:.2g} that rounding "
            "explains; nothing was kept: please report this."
        )
    return largest

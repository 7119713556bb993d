"""A run with NaN or infinity in a loss, a weight or an output has failed, however it is scored."""

import torch
from torch import Tensor, nn

from m2pt.config import UserError


class NotFiniteError(UserError):
    """Outputs are not finite; the caller, which has the run and the split, adds where."""


def diverged(fact: str, *, faulty_inputs: bool = False) -> UserError:
    """The error for a training in which a number is no longer finite; `fact` says which one and where.

    If the inputs themselves hold NaN or infinity, the message blames the data.
    """
    if faulty_inputs:
        return UserError(f"{fact}, because the inputs hold values that are not finite: correct the data set.")
    return UserError(f"{fact}; the training has diverged and has no score: lower its learning_rate, or set clip_norm.")


def faulty(inputs: Tensor | None) -> bool:
    """Whether inputs hold NaN or infinity."""
    return inputs is not None and not bool(torch.isfinite(inputs).all())


def refuse_weights(model: nn.Module, where: str) -> None:
    """Raise `UserError` for a weight, average or statistic that is not finite, naming the first such tensor."""
    tensors = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    if not tensors:
        return
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors.values()]).tolist()
    faulty = [name for name, good in zip(tensors, finite, strict=True) if not good]
    if faulty:
        raise diverged(f"{where}: {len(faulty)} of {len(tensors)} weights are not finite, the first is {faulty[0]}")


def refuse_outputs(outputs: Tensor) -> None:
    """Raise `NotFiniteError` if outputs (B, ...) hold NaN or infinity: the largest of them would not be a prediction."""
    finite = torch.isfinite(outputs)
    if not bool(finite.all()):
        faulty = int((~finite.flatten(1).all(dim=1)).sum())
        raise NotFiniteError(f"the outputs for {faulty} of {len(outputs)} samples of a batch are not finite")

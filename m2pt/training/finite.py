"""NaN and infinity are no numbers: a run that has one in a loss, a weight or an output has failed, whatever it is scored by."""

import torch
from torch import Tensor, nn

from m2pt.config import UserError


class NotFiniteError(UserError):
    """Outputs that are no finite numbers; whoever knows the run and the split says where."""


def diverged(fact: str, inputs: Tensor | None = None) -> UserError:
    """The fault of a training whose numbers have left the finite ones; `fact` says where and which.

    Where the `inputs` themselves hold NaN or infinity, it is the fault of the data.
    """
    if inputs is not None and not bool(torch.isfinite(inputs).all()):
        return UserError(f"{fact}, because the inputs hold values that are no finite numbers: mend the data set.")
    return UserError(f"{fact}; the training has diverged and has no score: lower its learning_rate, or set clip_norm.")


def refuse_weights(model: nn.Module, where: str) -> None:
    """Raise `UserError` for a weight, average or statistic that is no finite number, naming the first such tensor."""
    tensors = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    if not tensors:
        return
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors.values()]).tolist()
    faulty = [name for name, good in zip(tensors, finite, strict=True) if not good]
    if faulty:
        raise diverged(f"{where}: {len(faulty)} of {len(tensors)} weights are not finite, the first is {faulty[0]}")


def refuse_outputs(outputs: Tensor) -> None:
    """Raise `NotFiniteError` where outputs (B, ...) hold NaN or infinity: the largest of such is no prediction."""
    finite = torch.isfinite(outputs)
    if not bool(finite.all()):
        faulty = int((~finite.flatten(1).all(dim=1)).sum())
        raise NotFiniteError(f"the outputs for {faulty} of {len(outputs)} samples of a batch are no finite numbers")

"""Loss, accuracy and confusion of a classifier on a fixed set of samples."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from m2pt.modalities.samples import Samples

BATCH = 250


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy, accuracy in percent, and counts [true class][predicted class]."""

    loss: float
    accuracy: float
    confusion: list[list[int]]


@torch.no_grad()
def logits(model: nn.Module, x: Tensor, device: torch.device) -> Tensor:
    """Logits of many samples, on the CPU, in evaluation mode; the model's mode is left as it was."""
    training = model.training
    model.eval()
    parts = [model(part.to(device)).float().cpu() for part in x.split(BATCH)]
    model.train(training)
    return torch.cat(parts)


def evaluate(model: nn.Module, samples: Samples, device: torch.device) -> Evaluation:
    """Evaluate a classifier on labelled samples."""
    outputs = logits(model, samples.x, device)
    num_classes = len(samples.classes)
    predicted = outputs.argmax(dim=1)
    counts = torch.bincount(samples.y * num_classes + predicted, minlength=num_classes**2).view(num_classes, num_classes)
    return Evaluation(
        loss=float(nn.functional.cross_entropy(outputs, samples.y)),
        accuracy=100.0 * int(counts.diagonal().sum()) / len(samples.y),
        confusion=counts.tolist(),
    )

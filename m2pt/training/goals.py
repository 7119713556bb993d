"""What a model is trained for: the loss of a batch, how the views of a sample are averaged, and the scores.

Shapes: B rows, V views, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2pt.config import FinetuneConfig, Goal, refuses_unknown
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.dense import Outputs
from m2pt.modalities.shared.items import Item
from m2pt.runs.spec import RunSpec
from m2pt.training.finite import refuse_outputs
from m2pt.training.metrics.accuracy import Accuracy
from m2pt.training.metrics.average_precision import AveragePrecision
from m2pt.training.metrics.meter import Meter
from m2pt.training.metrics.segmentation import SegmentationIoU

IGNORED = -1
"""The label of a point or pixel that has none."""


@refuses_unknown
def loss_of(recipe: FinetuneConfig, goal: Goal, outputs: Tensor, y: Tensor) -> Tensor:
    """The loss of each row (B,).

    Classification: cross-entropy with label smoothing, or with the soft labels (B, K) that mixup made; or binary cross-entropy
    averaged over classes if the recipe says so. Segmentation: the mean over all points or pixels of a row, in which those without
    a label count as 0 (mmsegmentation's loss, with which ADE20K's recipe was published). Instance segmentation: the sum of the
    losses (B, ...) that the head itself has computed.
    """
    if goal == "instance_segmentation":
        return outputs.flatten(1).sum(dim=1)
    if recipe.loss == "binary_cross_entropy":
        target = y if y.ndim == 2 else functional.one_hot(y, outputs.shape[1])
        return functional.binary_cross_entropy_with_logits(outputs, target.to(outputs.dtype), reduction="none").mean(dim=1)
    if goal == "classification":
        mixed_here = y.ndim == 2 and (recipe.mixup > 0 or recipe.cutmix > 0)  # timm's mixup has already smoothed the labels
        smoothing = 0.0 if mixed_here else recipe.label_smoothing
        return functional.cross_entropy(outputs, y, label_smoothing=smoothing, reduction="none")
    # One row for each point or pixel: on CUDA, cross-entropy over further axes has no deterministic form.
    logits, labels = outputs.movedim(1, -1).flatten(1, -2), y.flatten(1)
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.view_as(labels).mean(dim=1)


@refuses_unknown
def training_loss(recipe: FinetuneConfig, goal: Goal, outputs: Outputs, y: Tensor) -> Tensor:
    """The loss of each row (B,), plus the weighted loss of a side head."""
    logits, *side = outputs if isinstance(outputs, tuple) else (outputs,)
    losses = loss_of(recipe, goal, logits.float(), y)
    for side_logits in side:
        losses = losses + recipe.side_loss * loss_of(recipe, goal, side_logits.float(), y)
    return losses


def new_meter(spec: RunSpec, num_classes: int, parts: tuple[tuple[int, ...], ...] | None) -> Meter:
    """A meter for a run's scores."""
    match spec.goal:
        case "classification":
            return Accuracy(num_classes)
        case "tagging":
            return AveragePrecision(num_classes)
        case "semantic_segmentation":
            return SegmentationIoU(num_classes)
        case "instance_segmentation":
            from m2pt.training.metrics.instances import InstanceAP

            return InstanceAP(num_classes)
        case "part_segmentation":
            from m2pt.training.metrics.parts import PartIoU, PartNetIoU

            if parts is None:
                raise ValueError(f"{spec.target}: its reader does not say which parts belong to which category")
            return PartNetIoU(parts) if spec.metric == "miou" else PartIoU(parts)


@dataclass(frozen=True)
class Predictor:
    """Outputs of a model for a batch of samples with views: averaged over the views, float32, on the CPU."""

    model: nn.Module
    spec: RunSpec
    num_classes: int
    device: torch.device

    def __call__(self, item: Item) -> Tensor:
        """Classification: the logits of one view, or the mean of the probabilities (B, K) of several; the same for tagging.

        The votes of a cloud are averaged as logits, as in Point-MAE. Segmentation: the mean over views; a scene
        is predicted window by window, at the size of its labels. Instance segmentation: the detections, as the head gives them.

        Raises:
            NotFiniteError: an output is not finite; checked before averaging, which can hide an infinite one.

        """
        goal = self.spec.goal
        x = item["x"]
        modality = SPECS[self.spec.modality]
        if goal == "semantic_segmentation" and x.ndim == 5 and (predict := modality.parts().predict_scene) is not None:
            height, width = item["y"].shape[-2:]
            whole, stride = x[0, 0].to(self.device), self.spec.finetune.test.stride
            scene = predict(self.model, whole, self.spec.input, stride, self.num_classes, (height, width))
            refuse_outputs(scene.unsqueeze(0))
            return scene.float().cpu().unsqueeze(0)
        views = x.shape[1]
        given = item.get("given")
        categories = None if given is None else given.repeat_interleave(views, dim=0).to(self.device)
        outputs: Tensor = self.model(x.flatten(0, 1).to(self.device), categories).float()
        refuse_outputs(outputs)
        if views == 1:
            return outputs.cpu()
        outputs = outputs.unflatten(0, (-1, views))
        if goal == "classification" and modality.views_averaged_as == "probabilities":
            return outputs.softmax(dim=-1).mean(dim=1).cpu()
        return (outputs.sigmoid() if goal == "tagging" else outputs).mean(dim=1).cpu()

"""The heads of a model by name. A head belongs to a modality's task and is never joined by a pathway."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2pt.config import Head, InputConfig, ModelConfig, UserError, refuses_unknown
from m2pt.modalities.image.heads.upernet import UperNetHead
from m2pt.modalities.point.heads.point_mae import ClassAndMaxHead, PartHead
from m2pt.modalities.shared.dense import DenseHead

__all__ = ["DenseHead", "GroupedBatchNorm", "build_head"]


class GroupedBatchNorm(nn.Module):
    """Batch norm without parameters that normalises each group of `rows` rows separately in training, (B, D) to (B, D).

    It equals plain batch norm on batches of `rows` rows, however the batch is really divided, as long as every part has complete
    groups: the running statistics only move in `take`, group by group in the order of the batch. `seen` holds the statistics of
    the groups since the last `take`, each (2, D): mean and unbiased variance.
    """

    momentum = 0.1  # torch's

    def __init__(self, width: int, rows: int, eps: float) -> None:
        super().__init__()
        self.rows, self.eps = rows, eps
        self.seen: list[Tensor] = []
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        if not self.training:
            running = self.get_buffer("running_mean"), self.get_buffer("running_var")
            return functional.batch_norm(x, *running, training=False, eps=self.eps)
        groups = x.split(self.rows)
        self.seen += [torch.stack(torch.var_mean(group.detach().float(), dim=0)[::-1]) for group in groups]
        return torch.cat([functional.batch_norm(group, None, None, training=True, eps=self.eps) for group in groups])

    def take(self, groups_G2D: Tensor) -> None:
        """Move the running statistics towards those of the given groups, one after the other."""
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        for group in groups_G2D.to(mean.device):
            mean.lerp_(group[0], self.momentum)
            variance.lerp_(group[1], self.momentum)
        self.get_buffer("num_batches_tracked").add_(len(groups_G2D))
        self.seen = []


@refuses_unknown
def build_head(
    kind: Head,
    config: ModelConfig,
    input_config: InputConfig,
    num_classes: int,
    init_std: float,
    num_categories: int,
    norm_rows: int | None = None,
    side_head: bool = False,
) -> nn.Module:
    """A fresh head for tokens of the encoder's width, initialised from torch's global generator.

    `init_std` is the standard deviation of the initial weights in the last linear layer of a classification head; `norm_rows` is
    the number of rows that the batch norm of `class_token` normalises together (None: all it is given).

    Raises:
        UserError: the head is for another modality, or has no side head.

    """
    if side_head and kind != "upernet":
        raise UserError(f"finetune.side_loss: the head {kind!r} has no side head; leave the key out.")
    match kind:
        case "mean":
            return _linear(config.width, num_classes, init_std)
        case "class_token":
            # MAE's linear probing (arXiv 2111.06377, appendix A.1).
            normalised: nn.Module = nn.BatchNorm1d(config.width, affine=False, eps=1e-6)
            if norm_rows is not None:
                normalised = GroupedBatchNorm(config.width, norm_rows, eps=1e-6)
            return nn.Sequential(normalised, _linear(config.width, num_classes, init_std))
        case "class_and_max":
            return ClassAndMaxHead(config.width, num_classes)
        case "part_segmentation":
            return PartHead(config, num_classes, num_categories)
        case "upernet":
            return UperNetHead(config, input_config, num_classes, side_head=side_head)
        case "mask_rcnn":
            from m2pt.modalities.image.heads.mask_rcnn import MaskRCNNHead  # torchvision's models take a second to import

            return MaskRCNNHead(config, input_config, num_classes)


def _linear(width: int, num_classes: int, init_std: float) -> nn.Linear:
    linear = nn.Linear(width, num_classes)
    nn.init.trunc_normal_(linear.weight, std=init_std)
    nn.init.zeros_(linear.bias)
    return linear

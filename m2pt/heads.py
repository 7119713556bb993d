"""Heads of a model by name. A head belongs to a modality's task and is never joined by a pathway."""

from torch import nn

from m2pt.config import Head, InputConfig, ModelConfig
from m2pt.modalities.dense import DenseHead
from m2pt.modalities.image.upernet import UperNetHead
from m2pt.modalities.point.heads import ClassAndMaxHead, PartHead

__all__ = ["DenseHead", "build_head"]


def build_head(
    kind: Head, config: ModelConfig, input_config: InputConfig, num_classes: int, init_std: float, num_categories: int
) -> nn.Module:
    """A fresh head for tokens of the encoder's width, initialised from torch's global generator.

    `init_std` is that of the last linear layer of the heads for classification.
    """
    match kind:
        case "mean":
            return _linear(config.width, num_classes, init_std)
        case "class_token":
            # MAE's linear probing (arXiv 2111.06377, appendix A.1).
            normalised = nn.BatchNorm1d(config.width, affine=False, eps=1e-6)
            return nn.Sequential(normalised, _linear(config.width, num_classes, init_std))
        case "class_and_max":
            return ClassAndMaxHead(config.width, num_classes)
        case "part_segmentation":
            return PartHead(config, num_classes, num_categories)
        case "upernet":
            return UperNetHead(config, input_config, num_classes)


def _linear(width: int, num_classes: int, init_std: float) -> nn.Linear:
    linear = nn.Linear(width, num_classes)
    nn.init.trunc_normal_(linear.weight, std=init_std)
    nn.init.zeros_(linear.bias)
    return linear

"""ViT: a stack of timm's pre-norm transformer blocks."""

from typing import Any

import torch
from torch import nn

from m2pt.config import BlocksConfig, InputConfig, LayoutName, Modality, ModelConfig, refuses_unknown
from m2pt.layers import LayerNorm, initialise
from m2pt.modalities.registry import build_tokenizer
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.drop_path import DropPath
from m2pt.pathway import JOINABLE

__all__ = ["JOINABLE", "LAYOUTS", "make_blocks", "make_tokenizer"]

LAYOUTS: tuple[LayoutName, ...] = (
    "mae", "audiomae", "point-mae", "videomae", "m2pt-zoo", "timm", "hf-vit", "hf-videomae", "hf-distilled",
    "m2pt",
)  # fmt: skip


@refuses_unknown
def make_tokenizer(modality: Modality, input_config: InputConfig, config: ModelConfig) -> Tokenizer:
    """The tokenizer in the form that the input section names."""
    return build_tokenizer(modality, input_config, config.width)


def make_blocks(config: ModelConfig, drop_path: float, added: BlocksConfig, grid: tuple[int, int]) -> nn.Sequential:
    """The blocks, freshly initialised as in MAE (arXiv 2111.06377, appendix A.1): Xavier-uniform weights and zero biases."""
    from timm.models.vision_transformer import Block  # seconds that a plan does without

    from m2pt.models.families.relative import RelativeBlock
    from m2pt.models.families.windows import WindowBlock, is_global

    rates = torch.linspace(0, drop_path, config.depth).tolist()
    options: dict[str, Any] = {"mlp_ratio": config.mlp_ratio, "qkv_bias": config.qkv_bias, "norm_layer": LayerNorm}
    options["init_values"] = added.layer_scale
    if added.relative_positions:
        blocks = nn.Sequential(*(RelativeBlock(config.width, config.heads, grid, **options) for _ in rates))
    elif added.windows is not None or added.split_positions:
        options["relative"] = added.split_positions
        windows = [None if is_global(index, config.depth) else added.windows for index in range(config.depth)]
        blocks = nn.Sequential(*(WindowBlock(config.width, config.heads, grid, side, **options) for side in windows))
    else:
        blocks = nn.Sequential(*(Block(config.width, config.heads, **options) for _ in rates))
    for block, rate in zip(blocks, rates, strict=True):
        if rate > 0:
            block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
    initialise(blocks)
    return blocks

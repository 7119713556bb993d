"""The families of encoders: what the blocks of each are made of, and which files of weights hold such blocks."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from m2pt.config import BlocksConfig, FamilyName, LayoutName, ModelConfig
from m2pt.models.families import vit

NOTHING_ADDED = BlocksConfig()


@dataclass(frozen=True)
class Family:
    """One kind of encoder.

    Attributes:
        make_blocks: as `build_blocks`, with all arguments given.
        joinable: the names of the linear layers in each block that a pathway can join.
        layouts: the layouts of files whose weights fit its blocks.

    """

    make_blocks: Callable[[ModelConfig, float, BlocksConfig, tuple[int, int]], nn.Sequential]
    joinable: tuple[str, ...]
    layouts: tuple[LayoutName, ...]


FAMILIES: dict[FamilyName, Family] = {
    "vit": Family(vit.make_blocks, vit.JOINABLE, vit.LAYOUTS),
}


def family_of(config: ModelConfig) -> Family:
    """The family that the section `model` of a study names."""
    return FAMILIES[config.family]


def build_blocks(
    config: ModelConfig, drop_path: float = 0.0, *, added: BlocksConfig = NOTHING_ADDED, grid: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    """The blocks of an encoder, tokens (B, N, D) in and out of each, freshly initialised from torch's global generator.

    Args:
        config: the family and its sizes.
        drop_path: the rate of stochastic depth in the last block; it grows linearly from 0 in the first one.
        added: what fine-tuning adds to the blocks.
        grid: the rows and columns of patches, which relative positions need.

    """
    return family_of(config).make_blocks(config, drop_path, added, grid)

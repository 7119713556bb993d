"""The families of encoders: what the blocks of each are made of, and which files of weights hold such blocks."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from m2pt.config import BlocksConfig, FamilyName, InputConfig, LayoutName, Modality, ModelConfig, refuses_unknown
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.families import unireplknet, vit

NOTHING_ADDED = BlocksConfig()


@dataclass(frozen=True)
class Family:
    """One kind of encoder.

    Attributes:
        make_blocks: as `build_blocks`, with all arguments given.
        make_tokenizer: as `tokenizer_for`.
        joinable: the names of the layers in each block that a pathway can join, or of parts with several.
        linear: those of them that are linear layers.
        layouts: the layouts of files whose weights fit its blocks.
        fold: makes trained blocks the plainer ones that they equal in evaluation, in place; None if they are as plain as can be.

    """

    make_blocks: Callable[[ModelConfig, float, BlocksConfig, tuple[int, int]], nn.Sequential]
    make_tokenizer: Callable[[Modality, InputConfig, ModelConfig], Tokenizer]
    joinable: tuple[str, ...]
    linear: tuple[str, ...]
    layouts: tuple[LayoutName, ...]
    fold: Callable[[nn.Module], None] | None = None


FAMILIES: dict[FamilyName, Family] = {
    "vit": Family(vit.make_blocks, vit.make_tokenizer, vit.JOINABLE, vit.JOINABLE, vit.LAYOUTS),
    "unireplknet": Family(
        unireplknet.make_blocks,
        unireplknet.MapTokenizer,
        unireplknet.JOINABLE,
        ("mlp.fc1", "mlp.fc2"),
        unireplknet.LAYOUTS,
        unireplknet.fold,
    ),
}


def family_of(config: ModelConfig) -> Family:
    """The family that the section `model` of a study names."""
    return FAMILIES[config.family]


def build_blocks(
    config: ModelConfig, drop_path: float = 0.0, *, added: BlocksConfig = NOTHING_ADDED, grid: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    """The blocks of an encoder, freshly initialised from torch's global generator.

    Tokens (B, N, D) go in and out of each block of a transformer, maps (B, C, H, W) of a ConvNet.

    Args:
        config: the family and its sizes.
        drop_path: the rate of stochastic depth in the last block; it grows linearly from 0 in the first one.
        added: what fine-tuning adds to the blocks.
        grid: the rows and columns of patches, which relative positions need.

    """
    return family_of(config).make_blocks(config, drop_path, added, grid)


@refuses_unknown
def tokenizer_for(modality: Modality, input_config: InputConfig, config: ModelConfig) -> Tokenizer:
    """A fresh tokenizer for the blocks of a family, initialised from torch's global generator."""
    return family_of(config).make_tokenizer(modality, input_config, config)

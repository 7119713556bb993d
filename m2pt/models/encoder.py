"""The encoder that all modalities share: blocks of one family and a final norm."""

import torch
from torch import Tensor, nn

from m2pt.config import InputConfig, Modality, ModelConfig
from m2pt.layers import LayerNorm
from m2pt.modalities.shared.features import as_tokens
from m2pt.models.families import build_blocks, tokenizer_for


@torch.no_grad()
def take_blocks(blocks: nn.Module, others: nn.Module) -> None:
    """Copy the weights of `others` into `blocks`, keeping what fine-tuning has added to `blocks` (`BlocksConfig`).

    Raises:
        RuntimeError: their sizes differ.

    """
    blocks.load_state_dict(blocks.state_dict() | others.state_dict())


class Encoder(nn.Module):
    """Blocks and final norm: what is pretrained, and what serves as an auxiliary. Tokens (B, N, D) out, and in (or maps)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = build_blocks(config)
        self.norm = LayerNorm(config.width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        """Encode tokens."""
        encoded: Tensor = self.norm(as_tokens(self.blocks(tokens_BND)))
        return encoded


class SampleEncoder(Encoder):
    """An encoder with the tokenizer of its modality, and the number of classes that the samples have."""

    def __init__(self, config: ModelConfig, modality: Modality, input_config: InputConfig, num_classes: int) -> None:
        super().__init__(config)
        self.tokenizer = tokenizer_for(modality, input_config, config)
        self.num_classes = num_classes


def random_encoder(config: ModelConfig, seed: int) -> Encoder:
    """An encoder that is freshly initialised from `seed`, without advancing torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(config)

"""A classifier: tokenizer + encoder + head.

The pathway joins its `blocks`, which have timm's form and names.
"""

from torch import Tensor, nn

from m2pt.config import InputConfig, Modality, ModelConfig
from m2pt.encoder import LayerNorm, build_blocks, fourier_positions
from m2pt.modalities.patches import Patches
from m2pt.modalities.rooms import ROOMS


class Classifier(nn.Module):
    """Samples (B, ...) to logits (B, classes): tokens, blocks, average pooling, norm (`fc_norm`), linear head.

    The pooling and the fresh `fc_norm` instead of the pretrained final norm are those of MAE's fine-tuning.
    """

    def __init__(
        self, modality: Modality, input_config: InputConfig, config: ModelConfig, num_classes: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.tokenizer = ROOMS[modality].tokenizer(input_config, config.width)
        self.blocks = build_blocks(config, drop_path)
        self.fc_norm = LayerNorm(config.width)
        self.head = nn.Linear(config.width, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Classify a batch of samples."""
        tokens_BND = self.blocks(embed(self.tokenizer, self.tokenizer.patchify(x)))
        logits: Tensor = self.head(self.fc_norm(tokens_BND.mean(dim=1)))
        return logits


def embed(tokenizer: nn.Module, patches: Patches) -> Tensor:
    """Patches to tokens (B, N, D) that carry their positions."""
    tokens_BND: Tensor = tokenizer(patches.values_BNP)
    return tokens_BND + fourier_positions(patches.coordinates_BN3, tokens_BND.shape[-1])

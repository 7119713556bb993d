"""The shared encoder: a stack of timm ViT blocks, the same for every modality."""

from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from m2pt.config import BlocksConfig, ModelConfig
from m2pt.layers import LayerNorm, RowNoise, initialise

NOTHING_ADDED = BlocksConfig()


def build_blocks(
    config: ModelConfig,
    drop_path: float = 0.0,
    depth: int | None = None,
    *,
    added: BlocksConfig = NOTHING_ADDED,
    grid: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """A stack of pre-norm blocks, freshly initialised from torch's global generator.

    Linear weights are Xavier-uniform and biases zero, as in MAE (arXiv 2111.06377, appendix A.1); the drop-path rate grows
    linearly from 0 to `drop_path` over the depth. `grid` are the rows and columns of patches, where `added` asks for relative
    positions.
    """
    depth = config.depth if depth is None else depth
    rates = torch.linspace(0, drop_path, depth).tolist()
    options: dict[str, Any] = {"mlp_ratio": config.mlp_ratio, "qkv_bias": config.qkv_bias, "norm_layer": LayerNorm}
    options["init_values"] = added.layer_scale
    if added.relative_positions:
        blocks = nn.Sequential(*(RelativeBlock(config.width, config.heads, grid, **options) for _ in rates))
    else:
        blocks = nn.Sequential(*(Block(config.width, config.heads, **options) for _ in rates))
    for block, rate in zip(blocks, rates, strict=True):
        if rate > 0:
            block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
    initialise(blocks)
    return blocks


class RelativeBlock(Block):
    """A block whose attention adds a learned bias for each head and displacement between two patches of a grid.

    `relative_bias` (displacements + 3, heads) starts at zero, as in mmsegmentation's MAE; the last three rows are for the class
    token, in front: from it to patches, from patches to it, and to itself (BEiT, arXiv 2106.08254).
    """

    def __init__(self, width: int, heads: int, grid: tuple[int, int], **options: Any) -> None:
        super().__init__(width, heads, **options)
        index_NN = relative_places(*grid)
        self.register_buffer("relative_index", index_NN, persistent=False)
        self.relative_bias = nn.Parameter(torch.zeros((2 * grid[0] - 1) * (2 * grid[1] - 1) + 3, heads))

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Tokens (B, 1 + N, D) in and out."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        bias_1HNN = self.relative_bias[self.get_buffer("relative_index")].permute(2, 0, 1).unsqueeze(0)
        mask = bias_1HNN if attn_mask is None else bias_1HNN + attn_mask
        return super().forward(x, mask.to(dtype), is_causal)


def relative_places(rows: int, columns: int) -> Tensor:
    """Which row of `RelativeBlock.relative_bias` is that of each query and key: (1 + N, 1 + N) int64, the class token first."""
    row_N, column_N = (axis.flatten() for axis in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    down_NN = row_N[:, None] - row_N[None] + rows - 1
    right_NN = column_N[:, None] - column_N[None] + columns - 1
    displacements = (2 * rows - 1) * (2 * columns - 1)
    index = torch.full((1 + rows * columns, 1 + rows * columns), displacements, dtype=torch.int64)
    index[1:, 1:] = down_NN * (2 * columns - 1) + right_NN
    index[1:, 0] = displacements + 1
    index[0, 0] = displacements + 2
    return index


class DropPath(nn.Module):
    """Stochastic depth (arXiv 1603.09382): leaves a branch out for whole samples, with the probability `rate`.

    Unlike timm's, it draws nothing itself: `draw_paths` decides for a batch, so that the same samples lose the same branches on
    any number of devices, and when a block is computed again for its gradient.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.factors: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Scale or drop each sample's branch (B, N, D) in training."""
        if not self.training or self.factors is None:
            return x
        return x * self.factors.to(x.dtype)


def draw_paths(model: nn.Module, noise: RowNoise, device: torch.device) -> None:
    """Decide for the coming batch which samples lose which branches."""
    for name, module in model.named_modules():
        if isinstance(module, DropPath):
            kept = noise.uniform(f"drop path {name}", 1, 1) >= module.rate
            module.factors = (kept / (1 - module.rate)).to(device)


@torch.no_grad()
def take_blocks(blocks: nn.Module, others: nn.Module) -> None:
    """Copy the weights of other blocks of the same sizes; what fine-tuning has added to these (`BlocksConfig`) stays.

    Raises:
        RuntimeError: they do not fit.

    """
    blocks.load_state_dict(blocks.state_dict() | others.state_dict())


class Encoder(nn.Module):
    """Blocks and final norm: what is pretrained, and what serves as an auxiliary. Tokens (B, N, D) in and out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = build_blocks(config)
        self.norm = LayerNorm(config.width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        """Encode tokens."""
        encoded: Tensor = self.norm(self.blocks(tokens_BND))
        return encoded


def random_encoder(config: ModelConfig, seed: int) -> Encoder:
    """An encoder freshly initialised from `seed`, without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(config)

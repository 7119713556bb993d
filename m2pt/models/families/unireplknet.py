"""UniRepLKNet: a ConvNet of large kernels, the same for images, sounds, point clouds and clips (arXiv 2311.15599).

Shapes: B batch, C channels, H height, W width. The names of layers are those of timm's ConvNeXt, which has such blocks.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2pt.config import LAYERS_OF, BlocksConfig, InputConfig, LayoutName, Modality, ModelConfig, UserError
from m2pt.layers import LayerNorm
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.drop_path import DropPath
from m2pt.models.families.dilated import BRANCHES, DilatedConv, depthwise, factor_of, with_norm

JOINABLE = LAYERS_OF["unireplknet"]
LAYOUTS: tuple[LayoutName, ...] = ("m2pt-unireplknet",)
LAYER_SCALE = 1e-6
"""The first factor of each channel of a block's change (arXiv 2311.15599, as released)."""


class MapNorm(LayerNorm):
    """Layer norm over the channels of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SqueezeExcite(nn.Module):
    """Factors for the channels of a map, from their means (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 4, 1)
        self.fc2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of a map (B, C, H, W)."""
        means = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(functional.relu(self.fc1(means))))


class ResponseNorm(nn.Module):
    """Global response normalisation of maps (B, H, W, C) (ConvNeXt V2, arXiv 2301.00808); `beta` is None once it is folded."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta: nn.Parameter | None = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        size = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        y: Tensor = (self.gamma * size / (size.mean(dim=-1, keepdim=True) + 1e-6) + 1) * x
        return y if self.beta is None else y + self.beta


class FeedForward(nn.Module):
    """Two linear layers with a response norm between and batch norm behind, on maps (B, C, H, W)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.response = ResponseNorm(hidden)
        self.fc2 = nn.Linear(hidden, channels, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        y = self.fc2(self.response(functional.gelu(self.fc1(x.permute(0, 2, 3, 1)))))
        return cast(Tensor, self.norm(y.permute(0, 3, 1, 2)))


class UniRepLKNetBlock(nn.Module):
    """A LarK block (a dilated re-parameterised large kernel) or a SmaK block (a small kernel), maps (B, C, H, W) in and out.

    The first block of a later stage begins with that stage's `downsample`, which halves the sides of the map and doubles its
    channels. `fold` makes the plain block that it equals in evaluation.
    """

    def __init__(self, channels: int, kernel: int, mlp_ratio: float, *, downsamples: bool) -> None:
        super().__init__()
        halving = nn.Sequential(nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1), MapNorm(channels))
        self.downsample: nn.Module = halving if downsamples else nn.Identity()
        self.conv_dw: nn.Module = DilatedConv(channels, kernel) if kernel in BRANCHES else depthwise(channels, kernel)
        self.norm: nn.Module = nn.BatchNorm2d(channels)
        self.se = SqueezeExcite(channels)
        self.mlp = FeedForward(channels, int(channels * mlp_ratio))
        self.layer_scale: nn.Parameter | None = nn.Parameter(torch.full((channels,), LAYER_SCALE))
        self.drop_path: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's change to a map."""
        x = self.downsample(x)
        y = self.mlp(self.se(self.norm(self.conv_dw(x))))
        if self.layer_scale is not None:
            y = y * self.layer_scale.view(-1, 1, 1)
        return x + cast(Tensor, self.drop_path(y))

    @torch.no_grad()
    def fold(self) -> None:
        """Fold dilated branches, batch norms, layer scale and the response norm's offset into plain layers, in place."""
        if self.layer_scale is None or self.mlp.response.beta is None:
            return
        own = self.conv_dw
        joint = cast(nn.BatchNorm2d, self.norm)
        if isinstance(own, DilatedConv):
            factor, offset = factor_of(joint)
            kernel, bias = own.as_one()
            kernel, bias = kernel * factor.view(-1, 1, 1, 1), bias * factor + offset
        else:
            kernel, bias = with_norm(cast(nn.Conv2d, own), joint)
        first = next(own.parameters())
        conv = depthwise(len(kernel), kernel.shape[-1], bias=True).to(first)
        conv.weight.copy_(kernel)
        cast(nn.Parameter, conv.bias).copy_(bias)
        self.conv_dw, self.norm = conv, nn.Identity()
        self._fold_mlp(self.layer_scale, self.mlp.response.beta)
        self.layer_scale = self.mlp.response.beta = None

    def _fold_mlp(self, layer_scale: Tensor, beta: Tensor) -> None:
        factor, offset = factor_of(cast(nn.BatchNorm2d, self.mlp.norm))
        weight, outer = self.mlp.fc2.weight.double(), layer_scale.double()
        linear = nn.Linear(weight.shape[1], weight.shape[0]).to(self.mlp.fc2.weight)
        linear.weight.copy_(weight * (factor * outer).view(-1, 1))
        linear.bias.copy_((weight @ beta.double() * factor + offset) * outer)
        self.mlp.fc2, self.mlp.norm = linear, nn.Identity()


def make_blocks(config: ModelConfig, drop_path: float, added: BlocksConfig, grid: tuple[int, int]) -> nn.Sequential:
    """The blocks of all stages, initialised as released. Raises `UserError` for what fine-tuning cannot add to them."""
    del grid
    if added != BlocksConfig():
        raise UserError(
            "finetune.blocks: is for transformers; the blocks of the family unireplknet have a layer scale of their own."
        )
    blocks = nn.Sequential()
    for stage, (channels, kernels) in enumerate(zip(config.channels, config.stages, strict=True)):
        for place, kernel in enumerate(kernels):
            blocks.append(UniRepLKNetBlock(channels, kernel, config.mlp_ratio, downsamples=place == 0 < stage))
    for block, rate in zip(blocks, torch.linspace(0, drop_path, len(blocks)).tolist(), strict=True):
        if rate > 0:
            block.drop_path = DropPath(rate)
    _initialise(blocks)
    return blocks


def fold(blocks: nn.Module) -> None:
    """Make every block the plain one that it equals in evaluation, in place."""
    for block in blocks.children():
        if isinstance(block, UniRepLKNetBlock):
            block.fold()


class MapTokenizer(Tokenizer):
    """The stem: a sample as an embedding map of its modality, and two convolutions that each halve its sides."""

    def __init__(self, modality: Modality, config: InputConfig, model: ModelConfig) -> None:
        super().__init__()
        make = SPECS[modality].parts().embedding_map
        if make is None:
            raise UserError(
                f"model.family: {model.family} takes maps, and samples of the modality {modality} have none; use vit."
            )
        if config.form != "shared":
            raise UserError(
                f"inputs.{modality}.form: {config.form} samples have no maps, which model.family {model.family} takes."
            )
        self.map = make(config)
        channels = model.channels[0]
        self.stem = nn.Sequential(
            nn.Conv2d(self.map.channels, channels // 2, 3, stride=2, padding=1),
            MapNorm(channels // 2),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            MapNorm(channels),
        )
        _initialise(self.stem)

    def tokens(self, x: Tensor) -> Tokens:
        """The map of the stem (B, C, H / 4, W / 4); places of a map have no coordinates."""
        return Tokens(self.stem(self.map(x)), x.new_zeros(len(x), 0, 3))


def _initialise(module: nn.Module) -> None:
    """Normal weights and zero biases, as released."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

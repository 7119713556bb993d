"""The four released encoder classes, written down plainly from their description: what they compute, with torch alone.

Nothing of m2pt is used here. Each has the keys of its published files, makes its own positions as the released class does at the
size that it is built for, and returns the tokens after its last block (Point-MAE: after its final norm).
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Queries, keys and values of one product; biases whole (`whole`), of queries and values alone (`split`), or none."""

    def __init__(self, width, heads, biases):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=biases == "whole")
        if biases == "split":
            self.q_bias = nn.Parameter(torch.zeros(width))
            self.v_bias = nn.Parameter(torch.zeros(width))
        self.split = biases == "split"
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, count, width = x.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias]) if self.split else self.qkv.bias
        queries, keys, values = (
            part.view(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for part in functional.linear(x, self.qkv.weight, bias).chunk(3, dim=-1)
        )
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(width // self.heads)
        return self.proj((scores.softmax(dim=-1) @ values).transpose(1, 2).reshape(batch, count, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, biases, epsilon):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attn = Attention(width, heads, biases)
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.mlp = Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    def __init__(self, convolution, channels, width, kernel):
        super().__init__()
        self.proj = convolution(channels, width, kernel, stride=kernel)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def grid_code(rows, columns, width):
    """MAE's 2-D code, a row of zeros for the class token first; half the width for the place in a row, half for the row."""
    table = torch.zeros(1 + rows * columns, width, dtype=torch.float64)
    quarter = width // 4
    for row in range(rows):
        for column in range(columns):
            for half, place in enumerate((column, row)):
                for index in range(quarter):
                    angle = place / 10000 ** (index / quarter)
                    table[1 + row * columns + column, half * 2 * quarter + index] = math.sin(angle)
                    table[1 + row * columns + column, half * 2 * quarter + quarter + index] = math.cos(angle)
    return table.float()[None]


class MAE(nn.Module):
    """Pictures (B, 3, S, S) in patches of 16; positions of the square grid, row by row."""

    def __init__(self, size=224, width=24, depth=2, heads=3, patch=16):
        super().__init__()
        side = size // patch
        self.patch_embed = Patches(nn.Conv2d, 3, width, (patch, patch))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(grid_code(side, side, width))
        self.blocks = nn.ModuleList(Block(width, heads, "whole", 1e-6) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = self.patch_embed(x) + self.pos_embed[:, 1:]
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return x

    def interpolate(self, stored):
        """MAE's own way to take positions of another size: the square grid of the file, bicubically to that of the class."""
        old, new = (math.isqrt(positions.shape[1] - 1) for positions in (stored, self.pos_embed))
        grid = stored[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
        grid = functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
        return torch.cat([stored[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


class AudioMAE(nn.Module):
    """Filterbanks (B, 1, frames, 128): time × frequency, so the tokens lie (frames / 16, 8).

    The positions are made for (8, frames / 16), the axes as the released class declares them, and added in flat order.
    """

    def __init__(self, frames=1024, width=24, depth=2, heads=3):
        super().__init__()
        self.patch_embed = Patches(nn.Conv2d, 1, width, (16, 16))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(grid_code(128 // 16, frames // 16, width))
        self.blocks = nn.ModuleList(Block(width, heads, "whole", 1e-6) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    forward = MAE.forward

    def interpolate(self, stored):
        """AudioMAE's own way: as (8, 64), of which the first places in time are kept."""
        bands = stored[:, 1:].reshape(1, 8, 64, -1)[:, :, : (self.pos_embed.shape[1] - 1) // 8]
        return torch.cat([stored[:, :1], bands.flatten(1, 2)], dim=1)


class VideoMAE(nn.Module):
    """Clips (B, 3, T, S, S) in tubelets of 2 × 16 × 16; the positions are a table of so many tubelets, not stored."""

    def __init__(self, frames=16, size=224, width=24, depth=2, heads=3, patch=16):
        super().__init__()
        self.patch_embed = Patches(nn.Conv3d, 3, width, (2, patch, patch))
        count = frames // 2 * (size // patch) ** 2
        angles = torch.arange(count, dtype=torch.float64)[:, None] / torch.tensor(
            [10000 ** (2 * (column // 2) / width) for column in range(width)], dtype=torch.float64
        )
        angles[:, 0::2], angles[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
        self.table = angles.float()
        self.blocks = nn.ModuleList(Block(width, heads, "split", 1e-6) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = self.patch_embed(x) + self.table
        for block in self.blocks:
            x = block(x)
        return x


class MiniPointNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first_conv = nn.Sequential(nn.Conv1d(3, 128, 1), nn.BatchNorm1d(128), nn.ReLU(), nn.Conv1d(128, 256, 1))
        self.second_conv = nn.Sequential(nn.Conv1d(512, 512, 1), nn.BatchNorm1d(512), nn.ReLU(), nn.Conv1d(512, width, 1))

    def forward(self, groups):
        batch, count, neighbours, _ = groups.shape
        x = self.first_conv(groups.view(-1, neighbours, 3).transpose(1, 2))
        x = torch.cat([x.amax(2, keepdim=True).expand(-1, -1, neighbours), x], dim=1)
        return self.second_conv(x).amax(2).view(batch, count, -1)


class Stack(nn.Module):
    def __init__(self, width, depth, heads):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, None, 1e-5) for _ in range(depth))

    def forward(self, x, positions):
        for block in self.blocks:
            x = block(x + positions)
        return x


class PointMAE(nn.Module):
    """Clouds (B, P, 3): farthest-point sampling from the first point, nearest neighbours, a class token of its own position.

    Points within the square root of 1e-3 of the origin are never sampled, as the released kernel does.
    """

    def __init__(self, groups=128, neighbours=32, width=24, depth=2, heads=3):
        super().__init__()
        self.groups, self.neighbours = groups, neighbours
        self.encoder = MiniPointNet(width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.cls_pos = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        self.blocks = Stack(width, depth, heads)
        self.norm = nn.LayerNorm(width)

    def sample(self, cloud):
        chosen, distance = [0], torch.full((len(cloud),), 1e10, dtype=cloud.dtype)
        far = cloud.square().sum(1) > 1e-3
        for _ in range(self.groups - 1):
            distance = torch.minimum(distance, (cloud - cloud[chosen[-1]]).square().sum(1))
            chosen.append(int(torch.where(far, distance, -torch.ones_like(distance)).argmax()))
        return cloud[chosen]

    def forward(self, x):
        centres = torch.stack([self.sample(cloud) for cloud in x])
        nearest = torch.cdist(centres.double(), x.double()).argsort(dim=2, stable=True)[:, :, : self.neighbours]
        groups = torch.stack([cloud[places] for cloud, places in zip(x, nearest, strict=True)]) - centres[:, :, None]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), self.encoder(groups)], dim=1)
        positions = torch.cat([self.cls_pos.expand(len(x), -1, -1), self.pos_embed(centres)], dim=1)
        return self.norm(self.blocks(tokens, positions))


def randomised(model, seed=0):
    """The model with random weights and statistics everywhere but in its positions."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name == "pos_embed" or not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator) * 0.1
        norm = tensor.ndim == 1 and name.endswith("weight")
        tensor.copy_(1 + noise if norm else noise.abs() + 0.5 if name.endswith("running_var") else noise)
    return model.eval()

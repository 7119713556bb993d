"""The forward passes of the published layouts, written out over their own keys with nothing but plain functions of torch."""

import math

import torch

from tests.weights.files import DEPTH, HEADS


def norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * weight + bias


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attention(x, weight, biases, proj_weight, proj_bias):
    """One head after the other; `biases` are those of queries, keys and values."""
    width = x.shape[-1]
    size = width // HEADS
    query, key, value = (x @ weight[i * width : (i + 1) * width].T + biases[i] for i in range(3))
    heads = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = (query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(size)).softmax(-1)
        heads.append(scores @ value[..., part])
    return torch.cat(heads, dim=-1) @ proj_weight.T + proj_bias


def run_block(x, tensors, prefix, eps=1e-6):
    def get(name):
        return tensors[prefix + name]

    width = x.shape[-1]
    if f"{prefix}attn.qkv.bias" in tensors:
        biases = get("attn.qkv.bias").split(width)
    elif f"{prefix}attn.q_bias" in tensors:
        biases = get("attn.q_bias"), torch.zeros(width), get("attn.v_bias")
    else:
        biases = (torch.zeros(width),) * 3
    normed = norm(x, get("norm1.weight"), get("norm1.bias"), eps)
    x = x + attention(normed, get("attn.qkv.weight"), biases, get("attn.proj.weight"), get("attn.proj.bias"))
    hidden = norm(x, get("norm2.weight"), get("norm2.bias"), eps) @ get("mlp.fc1.weight").T + get("mlp.fc1.bias")
    return x + gelu(hidden) @ get("mlp.fc2.weight").T + get("mlp.fc2.bias")


def vit(tensors, x, positions=None):
    """All tokens after the last block, the class token first; no final norm."""
    weight, bias = tensors["patch_embed.proj.weight"], tensors["patch_embed.proj.bias"]
    patches = torch.nn.functional.conv2d(x, weight, bias, stride=weight.shape[-2:])
    tokens = torch.cat([tensors["cls_token"].expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    tokens = tokens + (tensors["pos_embed"] if positions is None else positions)
    for index in range(DEPTH):
        tokens = run_block(tokens, tensors, f"blocks.{index}.")
    return tokens


def videomae(tensors, x, prefix=""):
    weight, bias = tensors[f"{prefix}patch_embed.proj.weight"], tensors[f"{prefix}patch_embed.proj.bias"]
    tokens = torch.nn.functional.conv3d(x, weight, bias, stride=weight.shape[-3:]).flatten(2).transpose(1, 2)
    places, width = tokens.shape[1:]
    table = torch.zeros(places, width)
    for place in range(places):
        for column in range(width):
            angle = place / 10000 ** (2 * (column // 2) / width)
            table[place, column] = math.cos(angle) if column % 2 else math.sin(angle)
    tokens = tokens + table
    for index in range(DEPTH):
        tokens = run_block(tokens, tensors, f"{prefix}blocks.{index}.")
    return tokens


def point_mae(tensors, x, neighbours, prefix, class_token, class_position):
    """Every point of a cloud is the centre of a group; the class token first, normed, as Point-MAE's head sees them."""
    groups = []
    for cloud in x:
        for centre in cloud:
            nearest = (cloud - centre).square().sum(-1).argsort()[:neighbours]
            groups.append(cloud[nearest] - centre)
    tokens = mini_pointnet(torch.stack(groups), tensors, f"{prefix}encoder.").view(len(x), x.shape[1], -1)
    hidden = gelu(x @ tensors[f"{prefix}pos_embed.0.weight"].T + tensors[f"{prefix}pos_embed.0.bias"])
    positions = hidden @ tensors[f"{prefix}pos_embed.2.weight"].T + tensors[f"{prefix}pos_embed.2.bias"]
    tokens = torch.cat([class_token.view(1, 1, -1).expand(len(x), -1, -1), tokens], dim=1)
    positions = torch.cat([class_position.view(1, 1, -1).expand(len(x), -1, -1), positions], dim=1)
    for index in range(DEPTH):
        tokens = run_block(tokens + positions, tensors, f"{prefix}blocks.blocks.{index}.", eps=1e-5)
    return norm(tokens, tensors[f"{prefix}norm.weight"], tensors[f"{prefix}norm.bias"], 1e-5)


def mini_pointnet(groups, tensors, prefix):
    """Groups (G, K, 3) to one vector each; batch norms with their stored statistics."""

    def dense(x, name):
        return x @ tensors[f"{prefix}{name}.weight"][:, :, 0].T + tensors[f"{prefix}{name}.bias"]

    def stored(x, name):
        mean, var, weight, bias = (
            tensors[f"{prefix}{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    lifted = dense(stored(dense(groups, "first_conv.0"), "first_conv.1").clamp(min=0), "first_conv.3")
    beside = torch.cat([lifted.max(1, keepdim=True)[0].expand_as(lifted), lifted], dim=-1)
    return dense(stored(dense(beside, "second_conv.0"), "second_conv.1").clamp(min=0), "second_conv.3").max(1)[0]

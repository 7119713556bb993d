"""Tensors with known values under the keys of each published layout, made here and not by the code that reads them."""

import argparse
from collections import OrderedDict

import numpy as np
import torch

WIDTH, DEPTH, HEADS = 24, 2, 3


def values(seed=0):
    """A function that draws tensors of a shape, the same ones for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator) * 0.2


def block(draw, prefix, *, bias="whole", width=WIDTH):
    tensors = {
        f"{prefix}norm1.weight": 1 + draw(width),
        f"{prefix}norm1.bias": draw(width),
        f"{prefix}attn.qkv.weight": draw(3 * width, width),
        f"{prefix}attn.proj.weight": draw(width, width),
        f"{prefix}attn.proj.bias": draw(width),
        f"{prefix}norm2.weight": 1 + draw(width),
        f"{prefix}norm2.bias": draw(width),
        f"{prefix}mlp.fc1.weight": draw(4 * width, width),
        f"{prefix}mlp.fc1.bias": draw(4 * width),
        f"{prefix}mlp.fc2.weight": draw(width, 4 * width),
        f"{prefix}mlp.fc2.bias": draw(width),
    }
    if bias == "whole":
        tensors[f"{prefix}attn.qkv.bias"] = draw(3 * width)
    if bias == "split":
        tensors[f"{prefix}attn.q_bias"] = draw(width)
        tensors[f"{prefix}attn.v_bias"] = draw(width)
    return tensors


def vit(*, channels=3, patch=4, places=16, seed=0, width=WIDTH, depth=DEPTH):
    """The encoder of MAE and AudioMAE, and a whole ViT of timm but for its head."""
    draw = values(seed)
    tensors = OrderedDict()
    tensors["cls_token"] = draw(1, 1, width)
    tensors["pos_embed"] = draw(1, 1 + places, width)
    tensors["patch_embed.proj.weight"] = draw(width, channels, patch, patch)
    tensors["patch_embed.proj.bias"] = draw(width)
    for index in range(depth):
        tensors |= block(draw, f"blocks.{index}.", width=width)
    tensors["norm.weight"], tensors["norm.bias"] = 1 + draw(width), draw(width)
    return tensors


def mae(*, channels=3, patch=4, places=16, seed=0, width=WIDTH, depth=DEPTH):
    """A pretraining file of MAE or AudioMAE, with decoder, and with what else its training program leaves in it."""
    draw = values(seed + 100)
    decoder = {
        "mask_token": draw(1, 1, 8),
        "decoder_pos_embed": draw(1, 1 + places, 8),
        "decoder_embed.weight": draw(8, width),
        "decoder_embed.bias": draw(8),
        "decoder_norm.weight": draw(8),
        "decoder_norm.bias": draw(8),
        "decoder_pred.weight": draw(channels * patch * patch, 8),
        "decoder_pred.bias": draw(channels * patch * patch),
    } | block(draw, "decoder_blocks.0.", width=8)
    return {
        "model": OrderedDict(vit(channels=channels, patch=patch, places=places, seed=seed, width=width, depth=depth) | decoder),
        "optimizer": {"state": {0: {"exp_avg": draw(3)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
        "epoch": 399,
        "args": argparse.Namespace(model="mae_vit_base_patch16", lr=1.5e-4),
        "best": np.float64(83.6),
    }


def videomae(*, pretraining=True, prefix="", patch=4, seed=0, width=WIDTH, depth=DEPTH):
    """Tubelets of 2 x `patch` x `patch` with three channels; a pretraining model has the encoder below `encoder.`."""
    draw = values(seed)
    inner = "encoder." if pretraining else ""
    tensors = {"patch_embed.proj.weight": draw(width, 3, 2, patch, patch), "patch_embed.proj.bias": draw(width)}
    for index in range(depth):
        tensors |= block(draw, f"blocks.{index}.", bias="split", width=width)
    norm = "norm" if pretraining else "fc_norm"
    tensors |= {f"{norm}.weight": 1 + draw(width), f"{norm}.bias": draw(width)}
    tensors = {f"{prefix}{inner}{key}": value for key, value in tensors.items()}
    if pretraining:
        tensors |= {"mask_token": draw(1, 1, 8), "encoder_to_decoder.weight": draw(8, width)}
        tensors |= block(draw, "decoder.blocks.0.", bias="split", width=8) | {"decoder.head.bias": draw(96)}
    else:
        tensors |= {f"{prefix}head.weight": draw(5, width), f"{prefix}head.bias": draw(5)}
    return OrderedDict(tensors)


def point_mae(*, prefix="module.MAE_encoder.", class_token=False, seed=0, width=WIDTH, depth=DEPTH):
    draw = values(seed)
    tensors = {}
    for name, (inputs, hidden, outputs) in {"first": (3, 128, 256), "second": (512, 512, width)}.items():
        tensors |= {
            f"encoder.{name}_conv.0.weight": draw(hidden, inputs, 1),
            f"encoder.{name}_conv.0.bias": draw(hidden),
            f"encoder.{name}_conv.1.weight": 1 + draw(hidden),
            f"encoder.{name}_conv.1.bias": draw(hidden),
            f"encoder.{name}_conv.1.running_mean": draw(hidden),
            f"encoder.{name}_conv.1.running_var": 1 + draw(hidden).abs(),
            f"encoder.{name}_conv.1.num_batches_tracked": torch.tensor(7),
            f"encoder.{name}_conv.3.weight": draw(outputs, hidden, 1) * 0.3,
            f"encoder.{name}_conv.3.bias": draw(outputs),
        }
    tensors |= {"pos_embed.0.weight": draw(128, 3), "pos_embed.0.bias": draw(128)}
    tensors |= {"pos_embed.2.weight": draw(width, 128), "pos_embed.2.bias": draw(width)}
    for index in range(depth):
        tensors |= block(draw, f"blocks.blocks.{index}.", bias=None, width=width)
    tensors |= {"norm.weight": 1 + draw(width), "norm.bias": draw(width)}
    if class_token:
        tensors |= {
            "cls_token": draw(1, 1, width),
            "cls_pos": draw(1, 1, width),
            "cls_head_finetune.0.weight": draw(5, 2 * width),
        }
    tensors = {prefix + key: value for key, value in tensors.items()}
    outer = prefix.removesuffix("MAE_encoder.")
    if outer != prefix:
        tensors |= {f"{outer}mask_token": draw(1, 1, width), f"{outer}increase_dim.0.bias": draw(96)}
        tensors |= {f"{outer}decoder_pos_embed.0.weight": draw(128, 3)} | block(draw, f"{outer}MAE_decoder.blocks.0.", bias=None)
    return {
        "base_model": OrderedDict(tensors),
        "optimizer": {},
        "epoch": 300,
        "metrics": {"acc": 0.0},
        "best_metrics": {"acc": 0.0},
    }

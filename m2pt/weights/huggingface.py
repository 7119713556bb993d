"""Keys of ViT and VideoMAE in Hugging Face's `transformers`, renamed to those of timm and of VideoMAE's own code.

Files use the names of version 4 even if version 5 wrote them; a `state_dict` of version 5 has new ones. Queries, keys and values
are separate tensors.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

PREFIXES = ("vit.", "videomae.", "deit.", "audio_spectrogram_transformer.")
"""The names under which models with a head keep the encoder."""

KERNEL = "embeddings.patch_embeddings.projection.weight"
SECOND_TOKEN = "embeddings.distillation_token"  # of AST and DeiT
BESIDE = (
    "classifier.", "cls_classifier.", "distillation_classifier.", "pooler.", "decoder.", "encoder_to_decoder.", "mask_token",
    "embeddings.mask_token", "fc_norm.", SECOND_TOKEN,
)  # fmt: skip
"""Prefixes of the keys of heads and decoders, which an encoder does not need."""

_LAYER = re.compile(r"(?:encoder\.layer|layers)\.(\d+)\.(.+)")
_TOP = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    KERNEL: "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
_PARTS = {
    "attention.attention.query": "q",
    "attention.attention.key": "k",
    "attention.attention.value": "v",
    "attention.q_proj": "q",
    "attention.k_proj": "k",
    "attention.v_proj": "v",
    "attention.attention.output.dense": "attn.proj",
    "attention.output.dense": "attn.proj",
    "attention.o_proj": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
}
_SPLIT = {"attention.attention.q_bias": "q.bias", "attention.attention.v_bias": "v.bias"}


def bare(keys: Mapping[str, str]) -> dict[str, str]:
    """The keys without the encoder's name in a model with a head, each mapped to the key in the file."""
    prefix = next((prefix for prefix in PREFIXES if prefix + KERNEL in keys), "")
    return {key.removeprefix(prefix): original for key, original in keys.items()}


def as_timm(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
    """The tensors under timm's keys, with queries, keys and values joined; and the bare keys that were understood.

    Biases of queries and values without those of keys become `attn.q_bias` and `attn.v_bias`. If a block lacks one of its three
    matrices, the others are not joined, so they are not understood.
    """
    renamed: dict[str, Tensor] = {}
    understood: set[str] = set()
    blocks: dict[str, dict[str, str]] = {}
    for key, tensor in tensors.items():
        layer = _LAYER.fullmatch(key)
        if key in _TOP:
            renamed[_TOP[key]] = tensor
            understood.add(key)
        elif layer is not None and (leaf := _leaf(layer[2])) is not None:
            if leaf[0] in "qkv" and leaf[1] == ".":
                blocks.setdefault(layer[1], {})[leaf] = key
            else:
                renamed[f"blocks.{layer[1]}.{leaf}"] = tensor
                understood.add(key)
    for index, parts in blocks.items():
        joined = _joined({leaf: tensors[key] for leaf, key in parts.items()})
        renamed |= {f"blocks.{index}.{leaf}": tensor for leaf, tensor in joined.items()}
        understood |= {key for leaf, key in parts.items() if f"attn.qkv.{leaf[2:]}" in joined or f"attn.{leaf[0]}_bias" in joined}
    return renamed, understood


def _leaf(name: str) -> str | None:
    """Timm's name for a tensor of a block (`q.weight` and so on for those that timm joins); None if no ViT has it."""
    if name in _SPLIT:
        return _SPLIT[name]
    layer, _, kind = name.rpartition(".")
    return f"{_PARTS[layer]}.{kind}" if layer in _PARTS and kind in ("weight", "bias") else None


def _joined(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    joined = {
        f"attn.qkv.{kind}": torch.cat([parts[f"{part}.{kind}"] for part in "qkv"])
        for kind in ("weight", "bias")
        if all(f"{part}.{kind}" in parts for part in "qkv")
    }
    if "k.bias" not in parts and "q.bias" in parts and "v.bias" in parts:
        joined |= {"attn.q_bias": parts["q.bias"], "attn.v_bias": parts["v.bias"]}
    return joined

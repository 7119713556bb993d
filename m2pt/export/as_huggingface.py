"""A folder that transformers loads: a `ViTForImageClassification` where the model is one, else a ViT of timm's in its wrapper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForImageClassification, ViTConfig
from transformers.utils import logging

from m2pt.export import as_timm
from m2pt.export.examples import difference, examples, own_logits
from m2pt.export.vit import Vit, vit_of
from m2pt.export.written import Written
from m2pt.inference.trained import WEIGHTS, Trained

_USAGE = """from transformers import AutoModelForImageClassification

model = AutoModelForImageClassification.from_pretrained("FOLDER").eval()  # a CLASS
logits = model(pixel_values).logits"""

_PARTS = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_TOP = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj.weight": "vit.embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "vit.embeddings.patch_embeddings.projection.bias",
    "norm.weight": "vit.layernorm.weight",
    "norm.bias": "vit.layernorm.bias",
    "head.weight": "classifier.weight",
    "head.bias": "classifier.bias",
}


def write(model: Trained, folder: Path) -> Written:
    """Write a model as transformers'. Raises `UserError` if it is none of its."""
    vit = vit_of(model)
    if is_native(vit):
        save_file(_renamed(vit.tensors), folder / WEIGHTS, metadata={"format": "pt"})
        _config(model, vit).save_pretrained(folder)
    else:
        as_timm.write(model, folder)
    with _no_bars():
        loaded = AutoModelForImageClassification.from_pretrained(folder, local_files_only=True).eval()
    x = examples(model)
    with torch.no_grad():
        logits = loaded(as_timm.normalised(x, vit)).logits
    usage = _USAGE.replace("CLASS", type(loaded).__name__)
    return Written(as_timm.takes(model, vit), usage, ("transformers", "timm", "torch"), difference(own_logits(model, x), logits))


@contextmanager
def _no_bars() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def is_native(vit: Vit) -> bool:
    """Whether a ViT is one of transformers' own: a class token goes to the head, and layers have no scale."""
    of_token = vit.arguments["global_pool"] == "token" and vit.arguments["init_values"] is None
    return of_token and len(vit.epsilons) == 1


def _config(model: Trained, vit: Vit) -> ViTConfig:
    arguments, labels = vit.arguments, dict(enumerate(model.classes))
    (epsilon,) = vit.epsilons
    return ViTConfig(
        architectures=["ViTForImageClassification"],
        hidden_size=arguments["embed_dim"],
        num_hidden_layers=arguments["depth"],
        num_attention_heads=arguments["num_heads"],
        intermediate_size=int(arguments["embed_dim"] * arguments["mlp_ratio"]),
        qkv_bias=arguments["qkv_bias"],
        layer_norm_eps=epsilon,
        image_size=arguments["img_size"],
        patch_size=arguments["patch_size"],
        num_channels=arguments["in_chans"],
        id2label=labels,
        label2id={label: index for index, label in labels.items()},
    )


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of transformers' files; queries, keys and values apart."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in _TOP:
            renamed[_TOP[name]] = tensor
            continue
        _, number, inner = name.split(".", 2)
        layer, (part, leaf) = f"vit.encoder.layer.{number}", inner.rsplit(".", 1)
        if part == "attn.qkv":
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            renamed |= {f"{layer}.attention.attention.{each}.{leaf}": values.contiguous() for each, values in parts}
        else:
            renamed[f"{layer}.{_PARTS[part]}.{leaf}"] = tensor
    return renamed

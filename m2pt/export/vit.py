"""The plain ViT of timm's that a model is, where it is one: its arguments and its tensors.

Pictures and filterbanks alike are grids that timm's ViT cuts into patches; clips and clouds are not.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from m2pt.config import AudioInput, ImageInput, UserError
from m2pt.inference.trained import Trained
from m2pt.layers import fourier_positions
from m2pt.modalities.image.transforms.pictures import USUAL_SIZE, constants
from m2pt.modalities.shared.tokenizer import GridTokenizer


@dataclass(frozen=True)
class Vit:
    """The arguments of `timm.models.VisionTransformer`, its tensors, and how it takes its samples: normalised."""

    arguments: dict[str, Any]
    tensors: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    epsilons: frozenset[float]
    """Of its norms."""

    crop: float
    """The share of the shorter side that the tested square is."""


def vit_of(model: Trained) -> Vit:
    """The ViT that a model is.

    Raises:
        UserError: it is none; the sentence says why.

    """
    spec, given = model.spec, model.spec.input
    if not isinstance(given, ImageInput | AudioInput):
        raise UserError(
            f"a ViT of timm's cuts pictures (or filterbanks) into patches and has no place for the modality {spec.modality}; "
            "export to onnx, torch-export, safetensors or mlflow."
        )
    _require_plain(model)
    grey = isinstance(given, AudioInput)
    size = (given.frames, given.mels) if isinstance(given, AudioInput) else (given.size, given.size)
    mean, std = ((given.mean,), (given.std,)) if isinstance(given, AudioInput) else constants(given)
    small = isinstance(given, ImageInput) and spec.task is not None and given.size <= USUAL_SIZE
    blocks = spec.finetune.blocks
    arguments = {
        "img_size": size,
        "patch_size": given.patch,
        "in_chans": 1 if grey else given.patch_shape[0],
        "num_classes": len(model.classes),
        "embed_dim": spec.model.width,
        "depth": spec.model.depth,
        "num_heads": spec.model.heads,
        "mlp_ratio": spec.model.mlp_ratio,
        "qkv_bias": spec.model.qkv_bias,
        "init_values": blocks.layer_scale,
        "class_token": _class_token(model) is not None,
        "global_pool": "token" if model.model.pooling == "class_token" else "avg",
    }
    epsilons = frozenset(part.eps for part in model.model.modules() if isinstance(part, nn.LayerNorm))
    return Vit(arguments, _tensors(model), tuple(mean), tuple(std), epsilons, USUAL_SIZE / 256 if small else 1.0)


def _require_plain(model: Trained) -> None:
    spec, built = model.spec, model.model
    faults = [
        (spec.model.family != "vit", f"its blocks are of the family {spec.model.family}"),
        (spec.finetune.blocks.relative_positions, "its attention has relative positions"),
        (built.pooling not in ("mean", "class_token"), f"its head is {built.pooling}"),
        (built.pooling == "class_token" and _class_token(model) is None, "its head takes a class token, which it does not have"),
    ]
    for is_so, fault in faults:
        if is_so:
            raise not_plain(fault)


def not_plain(fault: str) -> UserError:
    """The sentence that says why a model is no ViT of timm's."""
    return UserError(f"it is no plain ViT of timm's, because {fault}; export to onnx, torch-export, safetensors or mlflow.")


def _class_token(model: Trained) -> Tensor | None:
    return cast(Tensor | None, getattr(model.model.tokenizer, "class_token", None))


def _tensors(model: Trained) -> dict[str, Tensor]:
    own = model.model.state_dict()
    tensors = {name: tensor for name, tensor in own.items() if name.startswith(("blocks.", "norm.", "fc_norm."))}
    kernel = own["tokenizer.projection.weight"]
    tensors["patch_embed.proj.weight"] = kernel.view(len(kernel), *model.spec.input.patch_shape)
    tensors["patch_embed.proj.bias"] = own["tokenizer.projection.bias"]
    tokenizer = model.model.tokenizer
    if isinstance(tokenizer, GridTokenizer):
        tensors["pos_embed"] = fourier_positions(tokenizer.grid.coordinates(), model.spec.model.width)[None]
    else:
        tensors["pos_embed"] = own["tokenizer.positions"][None]
    if (token := _class_token(model)) is not None:
        tensors["cls_token"] = token.detach().view(1, 1, -1)
    return {name: tensor.contiguous() for name, tensor in (tensors | _head(model.model.head)).items()}


def _head(head: nn.Module) -> dict[str, Tensor]:
    """The linear head; a batch norm before it, which has no parameters, becomes part of it."""
    if isinstance(head, nn.Linear):
        return {"head.weight": head.weight.detach(), "head.bias": head.bias.detach()}
    norm, linear = cast(nn.Sequential, head)
    scale = (norm.get_buffer("running_var") + cast(float, norm.eps)).rsqrt()
    weight = cast(nn.Linear, linear).weight.detach() * scale
    bias = cast(nn.Linear, linear).bias.detach() - weight @ norm.get_buffer("running_mean")
    return {"head.weight": weight, "head.bias": torch.as_tensor(bias)}

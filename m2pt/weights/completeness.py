"""Whether what a file holds is a whole encoder of the sizes that are wanted: sizes, keys, kinds of numbers."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from m2pt.config import ModelConfig, UserError
from m2pt.files.documents import read_json
from m2pt.weights.content import Content
from m2pt.weights.foreign import foreign
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, HUGGING_FACE, SPLIT_BIASES, Layout
from m2pt.weights.shapes import block_shapes
from m2pt.weights.shards import configuration

FC1 = "blocks.0.mlp.fc1.weight"  # has a row for each unit of the MLP

_MOST_KEYS = 40  # that one sentence lists
_HUGGING_FACE_EPSILON = 1e-12  # of ViT, ViTMAE and VideoMAE where no configuration says another
_COUNTER = "num_batches_tracked"  # of batch norm: the one whole number of an encoder


def check_sizes(file: Path, layout: Layout, config: ModelConfig) -> None:
    """The sizes of a layout's blocks are those of the model.

    Raises:
        UserError: they are not; the sentence names the key to set, but of a part of an encoder says that it is one.

    """
    if layout.depth != config.depth and not _has_ends(layout):
        raise UserError(
            f"{file}: has depth {layout.depth}, model.depth is {config.depth}, and what comes before or after the blocks is "
            "not there, so it may be a part of an encoder; name the whole, or the index of its parts."
        )
    for key, found, wanted in (("depth", layout.depth, config.depth), ("width", layout.width, config.width)):
        if found != wanted:
            raise UserError(f"{file}: has {key} {found}, model.{key} is {wanted}; set it to {found} or name another file.")
    fc1 = layout.tensors.get(FC1)
    if fc1 is not None and fc1.ndim == 2 and len(fc1) != block_shapes(config)[FC1][0]:
        ratio = len(fc1) / config.width
        raise UserError(f"{file}: has mlp_ratio {ratio:g}, model.mlp_ratio is {config.mlp_ratio:g}; set it or name another file.")
    if not config.qkv_bias and any(layout.leaves(leaf) for leaf in (BIAS, *SPLIT_BIASES)):
        raise UserError(f"{file}: has biases in attn.qkv and model.qkv_bias is false; set it to true or name another file.")


def _has_ends(layout: Layout) -> bool:
    """Whether a tokenizer stands before the blocks, and a norm or a head behind them."""
    behind = any(part in key for key in layout.ignored for part in ("norm.", "head.", "classifier."))
    return any(key.startswith("tokenizer.") for key in layout.tensors) and ("norm.weight" in layout.tensors or behind)


def check_config(file: Path, config: ModelConfig) -> None:
    """What Hugging Face's config.json beside a file says of its encoder agrees with the model.

    Raises:
        UserError: it has other heads or another activation, of which the tensors themselves tell nothing.

    """
    path = configuration(file)
    if path is None:
        return
    found = read_json(path)
    heads, activation = found.get("num_attention_heads"), found.get("hidden_act")
    if heads not in (None, config.heads):
        raise UserError(f"{path}: has num_attention_heads {heads}, model.heads is {config.heads}; set it or name another file.")
    if activation not in (None, "gelu"):
        raise UserError(f"{path}: has hidden_act {activation}, and m2pt's encoders have gelu; name another file.")


def norm_epsilon(file: Path, layout: Layout) -> float | None:
    """What the norms of an encoder add to the variance, where the layout differs from its modality's usual value, else None.

    Hugging Face's configuration says it, or its default holds; the tensors do not tell.
    """
    if layout.name not in HUGGING_FACE:
        return None
    path = configuration(file)
    epsilon = read_json(path).get("layer_norm_eps", _HUGGING_FACE_EPSILON) if path else _HUGGING_FACE_EPSILON
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 <= epsilon < 1:
        raise UserError(f"{path}: has layer_norm_eps {epsilon}, which is no small number; fetch it again.")
    return float(epsilon)


def check_keys(
    content: Content, layout: Layout, tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], *, exact: bool
) -> None:
    """Every wanted tensor is there in its shape, and nothing else (of a tokenizer of the shared form its module knows more).

    Raises:
        UserError: the sentence lists all that is missing, unknown, left over or misshapen.

    """
    shared = () if exact else ("tokenizer.",)
    faults = [f"missing {key}" for key in sorted(wanted.keys() - tensors.keys())]
    faults += [f"not known {key}" for key in layout.unknown]
    faults += [f"no plain tensor {key}" for key in content.objects]
    faults += [f"not expected {key}" for key in sorted(tensors.keys() - wanted.keys()) if not key.startswith(shared or "\0")]
    faults += [
        f"{key} is {tuple(tensors[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    if faults:
        more = f"; and {len(faults) - _MOST_KEYS} more" if len(faults) > _MOST_KEYS else ""
        listing = "; ".join(faults[:_MOST_KEYS]) + more
        kin = foreign(layout.unknown, None)
        told = f" (it looks like {kin})" if kin else ""
        raise UserError(
            f"{content.file}: is {DESCRIPTIONS[layout.name]}, but does not fit the encoder that is wanted{told}: {listing}."
        )


def usable(file: Path, key: str, tensor: Tensor) -> Tensor:
    """A tensor in single precision; narrow floats become wider, which loses nothing.

    Raises:
        UserError: it is of whole numbers, whose scale it does not tell, or not finite.

    """
    if key.endswith(_COUNTER):
        return tensor
    if not tensor.is_floating_point() or tensor.dtype == torch.float4_e2m1fn_x2:  # two numbers in one, without their scales
        kind = str(tensor.dtype).removeprefix("torch.")
        numbers = "packed" if tensor.is_floating_point() else "whole"
        raise UserError(
            f"{file}: {key} holds {numbers} numbers ({kind}), as quantised weights do; name a file of the weights before."
        )
    wide = tensor.float()
    if not bool(torch.isfinite(wide).all()):
        raise UserError(f"{file}: {key} holds values that are not finite; fetch the file again or name another one.")
    return wide

"""Whether a file holds a complete encoder of the model's sizes: sizes, keys, number types."""

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

_FETCH = "fetch it again"
_MOST_KEYS = 40  # in one sentence
_HUGGING_FACE_EPSILON = 1e-12  # of ViT, ViTMAE and VideoMAE unless a configuration says otherwise
_COUNTER = "num_batches_tracked"  # of batch norm: the only integer in an encoder


def check_sizes(file: Path, layout: Layout, config: ModelConfig, also: str = "") -> None:
    """Refuse blocks whose sizes differ from the model's. `also` is a further way out, for what may have another size.

    Raises:
        UserError: the sentence names the key to set, or says that the file is only a part of an encoder.

    """
    if config.family != "vit":
        return  # what differs is told tensor by tensor, because no number of blocks and no width says what stages are made of
    if layout.depth != config.depth and not _has_ends(layout):
        raise UserError(
            f"{file}: has depth {layout.depth}, model.depth is {config.depth}, and what comes before or after the blocks is "
            "missing, so it may be a part of an encoder; name the complete file, or the index of its parts."
        )
    for key, stored, wanted in (("depth", layout.depth, config.depth), ("width", layout.width, config.width)):
        if stored != wanted:
            raise UserError(
                f"{file}: has {key} {stored}, model.{key} is {wanted}; set it to {stored} or name another file{also}."
            )
    fc1 = layout.tensors.get(FC1)
    if fc1 is not None and fc1.ndim == 2 and len(fc1) != block_shapes(config)[FC1][0]:
        ratio = len(fc1) / config.width
        raise UserError(f"{file}: has mlp_ratio {ratio:g}, model.mlp_ratio is {config.mlp_ratio:g}; set it or name another file.")
    if not config.qkv_bias and any(layout.leaves(leaf) for leaf in (BIAS, *SPLIT_BIASES)):
        raise UserError(f"{file}: has biases in attn.qkv and model.qkv_bias is false; set it to true or name another file.")


def _has_ends(layout: Layout) -> bool:
    """Whether there is a tokenizer before the blocks, and a norm or a head after them."""
    after = any(part in key for key in layout.ignored for part in ("norm.", "head.", "classifier."))
    return any(key.startswith("tokenizer.") for key in layout.tensors) and ("norm.weight" in layout.tensors or after)


def norm_epsilon(file: Path, layout: Layout) -> float | None:
    """The epsilon of an encoder's norms if its layout can differ from the modality's usual value, else None.

    It is read from Hugging Face's configuration, or else the default of that library applies; the tensors do not show it.
    """
    if layout.name not in HUGGING_FACE:
        return None
    path = configuration(file)
    epsilon = read_json(path, _FETCH).get("layer_norm_eps", _HUGGING_FACE_EPSILON) if path else _HUGGING_FACE_EPSILON
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 <= epsilon < 1:
        raise UserError(f"{path}: has layer_norm_eps {epsilon}, which is not a small number; {_FETCH}.")
    return float(epsilon)


def check_keys(
    content: Content, layout: Layout, tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], *, exact: bool
) -> None:
    """Refuse tensors that are missing, unknown, left over or of another shape than in `wanted`.

    Unless `exact`, keys of a tokenizer may be left over: a tokenizer of the shared form is checked by its module.

    Raises:
        UserError: the sentence lists all of them.

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
        hint = f" (it looks like {kin})" if kin else ""
        raise UserError(
            f"{content.file}: is {DESCRIPTIONS[layout.name]}, but does not fit the encoder of this study{hint}: {listing}."
        )


def usable(file: Path, key: str, tensor: Tensor) -> Tensor:
    """A tensor in single precision; narrower floats are widened without loss.

    Raises:
        UserError: it holds integers, whose scale is unknown, or values that are not finite.

    """
    if key.endswith(_COUNTER):
        return tensor
    if not tensor.is_floating_point() or tensor.dtype == torch.float4_e2m1fn_x2:  # two per element, without their scales
        kind = str(tensor.dtype).removeprefix("torch.")
        numbers = "packed" if tensor.is_floating_point() else "whole"
        raise UserError(
            f"{file}: {key} holds {numbers} numbers ({kind}), as quantised weights do; name a file of the weights before."
        )
    wide = tensor.float()
    if not bool(torch.isfinite(wide).all()):
        raise UserError(f"{file}: {key} holds values that are not finite; fetch the file again or name another one.")
    return wide

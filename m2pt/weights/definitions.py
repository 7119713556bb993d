"""What defines each published layout, and how its keys become this project's."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from m2pt.config import MODALITIES, LayoutName, Modality, UserError
from m2pt.weights import huggingface
from m2pt.weights.content import PICKLED_MODULE, Content
from m2pt.weights.foreign import foreign
from m2pt.weights.layouts import BIAS, BLOCK, BLOCKS_ALONE, LEAVES, SPLIT_BIASES, Layout
from m2pt.weights.positions import coded_grid

_KERNEL = "patch_embed.proj.weight"
_NORM = {f"norm.{kind}": f"norm.{kind}" for kind in ("weight", "bias")}
_VIT = {
    "cls_token": "tokenizer.class_token",
    "pos_embed": "tokenizer.positions",
    _KERNEL: "tokenizer.projection.weight",
    "patch_embed.proj.bias": "tokenizer.projection.bias",
}
_CLIPS = {key: name for key, name in _VIT.items() if key != "cls_token"}
_POINT = {"encoder.first_conv.": "tokenizer.local.", "encoder.second_conv.": "tokenizer.joint.", "pos_embed.": "tokenizer.place."}
_POINT_CLASS = {"cls_token": "tokenizer.class_token", "cls_pos": "tokenizer.class_position"}
_POINT_KERNEL = "encoder.first_conv.0.weight"
_POINT_INSIDE = "MAE_encoder."
_MAES = ("model", "model_ema")  # the names under which MAE's programs save weights
_ZOOS = ("module", "state_dict", PICKLED_MODULE)  # the names under which files of M2PT's zoo hold weights
_DECODER = ("decoder_blocks.", "decoder_embed.")

_IGNORED: dict[str, tuple[str, ...]] = {
    "vit": ("mask_token", "head.", "fc_norm.", "pre_logits."),
    "mae": ("decoder_", "mask_token", "head.", "fc_norm."),
    "videomae": ("decoder.", "encoder_to_decoder.", "mask_token", "head.", "fc_norm."),
    "point-mae": (
        "MAE_decoder.", "mask_token", "decoder_pos_embed.", "increase_dim.", "cls_head_finetune.",
        "label_conv.", "propagation_0.", "convs1.", "convs2.", "convs3.", "bns1.", "bns2.",
    ),
    "m2pt": ("head.", "fc_norm."),
    "m2pt-unireplknet": ("head.", "fc_norm."),
}  # fmt: skip
"""Prefixes of the keys of decoders and heads, which an encoder does not need."""


@dataclass(frozen=True)
class KeyedFile:
    """A file's content, and its keys without the prefixes of PyTorch's wrappers, each mapped to the key in the file."""

    content: Content
    bare: Mapping[str, str]

    def tensor(self, key: str) -> Tensor | None:
        """The tensor under a bare key, None if there is none."""
        return _plain(self.content, self.bare[key]) if key in self.bare else None

    def has_blocks(self) -> bool:
        """Whether the first block has timm's matrix of queries, keys and values, whose columns are the width."""
        matrix = self.tensor("blocks.0.attn.qkv.weight")
        return matrix is not None and matrix.ndim == 2 and matrix.numel() > 0

    @property
    def kernel(self) -> Tensor | None:
        """The patch projection of a ViT."""
        names = (_KERNEL, f"encoder.{_KERNEL}", huggingface.KERNEL)
        return next((tensor for name in names if (tensor := self.tensor(name)) is not None), None)

    @property
    def split(self) -> bool:
        """Whether queries and values have biases of their own, in separate tensors."""
        return any(key.endswith(SPLIT_BIASES) for key in self.bare)

    @property
    def coded(self) -> bool:
        """Whether the positions are the fixed code of a grid, like MAE's."""
        positions = self.tensor("pos_embed")
        return positions is not None and positions.ndim == 3 and coded_grid(positions[0]) is not None

    @property
    def square(self) -> bool:
        """Whether the positions, without that of the class token, fill a square."""
        positions = self.tensor("pos_embed")
        places = 0 if positions is None or positions.ndim < 2 else positions.shape[-2] - 1
        return math.isqrt(max(places, 0)) ** 2 == places

    def has(self, *beginnings: str) -> bool:
        """Whether any key begins with one of these prefixes."""
        return any(key.startswith(beginnings) for key in self.bare)

    def within(self, prefix: str) -> "KeyedFile":
        """The same file with a prefix removed from the keys that have it."""
        return KeyedFile(self.content, {key.removeprefix(prefix): original for key, original in self.bare.items()})


def _is_vit(file: KeyedFile) -> bool:
    """Timm's keys with biases in one tensor, and two-dimensional patches if there is a patch projection."""
    patches = file.kernel is None or file.kernel.ndim == 4
    return file.has_blocks() and not file.split and patches and not file.has("tokenizer.")


def _pictures(file: KeyedFile) -> tuple[Modality, ...]:
    channels = None if file.kernel is None else file.kernel.shape[1]
    return MODALITIES if channels is None else ("image",) if channels != 1 else ("image", "audio")


def _mae(file: KeyedFile, named: bool) -> Layout | None:
    """A ViT next to MAE's decoder, or under `model` as MAE's programs save it; of one channel only with a square of positions."""
    if not _is_vit(file) or not (named or file.has(*_DECODER) or file.content.wrapper in _MAES):
        return None
    if not named and file.kernel is not None and file.kernel.shape[1] == 1 and not file.square:
        return None
    return _convert(file, "mae", ("image",), _VIT | _NORM, _IGNORED["mae"])


def _audiomae(file: KeyedFile, named: bool) -> Layout | None:
    """The same with patches of one channel."""
    if not _is_vit(file) or not (named or file.has(*_DECODER) or file.content.wrapper in _MAES):
        return None
    if file.kernel is not None and file.kernel.shape[1] != 1:
        return None
    return _convert(file, "audiomae", ("audio",), _VIT | _NORM, _IGNORED["mae"])


def _timm(file: KeyedFile, named: bool) -> Layout | None:
    """A ViT alone, at the top; below `model` only if its positions are not the fixed code, which would be MAE's."""
    if not _is_vit(file) or file.has(*_DECODER) or not (named or file.content.wrapper not in _ZOOS):
        return None
    if not named and file.content.wrapper in _MAES and file.coded:
        return None
    modalities = () if file.content.wrapper is None else _pictures(file)
    return _convert(file, "timm", modalities, _VIT | _NORM, _IGNORED["vit"])


def _zoo(file: KeyedFile, named: bool) -> Layout | None:
    """The same below a wrapper, as M2PT saves encoders of all modalities."""
    if not _is_vit(file) or file.has(*_DECODER) or not (named or file.content.wrapper in _ZOOS):
        return None
    return _convert(file, "m2pt-zoo", (), _VIT | _NORM, _IGNORED["vit"])


def _videomae(file: KeyedFile, named: bool) -> Layout | None:
    """Tubelets as patches, no class token, and biases for queries and values only (or none); BEiT has patches of pictures."""
    if file.has("encoder.blocks."):
        file = file.within("encoder.")
    tubelets = file.kernel is not None and file.kernel.ndim == 5
    blocks = file.has_blocks() and f"blocks.0.{BIAS}" not in file.bare
    if not blocks or not (tubelets or (named and file.kernel is None)) or "cls_token" in file.bare:
        return None
    return _convert(file, "videomae", ("video",), _CLIPS | _NORM, _IGNORED["videomae"])


def _point(file: KeyedFile, _: bool) -> Layout | None:
    """A mini-PointNet before the blocks; a pretraining file has its encoder below `MAE_encoder.`, a fine-tuned one at the top."""
    pretrained = file.has(_POINT_INSIDE)
    named = {}
    for key, original in file.bare.items():
        short = key.removeprefix(_POINT_INSIDE)
        if pretrained and short == key and not key.startswith(_IGNORED["point-mae"]):
            short = f"beside {key}"
        named[short.replace("blocks.blocks.", "blocks.", 1)] = original
    inner = KeyedFile(file.content, named)
    kernel = inner.tensor(_POINT_KERNEL)
    if kernel is None or kernel.ndim != 3 or not inner.has_blocks():
        return None
    mapping = _POINT_CLASS | _NORM
    for beginning, ours in _POINT.items():
        mapping |= {key: ours + key.removeprefix(beginning) for key in named if key.startswith(beginning)}
    return _convert(inner, "point-mae", ("point",), mapping, _IGNORED["point-mae"])


def _own(file: KeyedFile, _: bool) -> Layout | None:
    if not file.has("tokenizer.") or not file.has_blocks():
        return None
    mapping = {key: key for key in file.bare if key.startswith("tokenizer.")} | _NORM
    return _convert(file, "m2pt", (), mapping, _IGNORED["m2pt"])


def _own_convnet(file: KeyedFile, _: bool) -> Layout | None:
    if not file.has("tokenizer.stem.") or not file.has("blocks.0.mlp.response."):
        return None
    mapping = {key: key for key in file.bare if key.startswith("tokenizer.") or BLOCK.fullmatch(key)} | _NORM
    return _convert(file, "m2pt-unireplknet", (), mapping, _IGNORED["m2pt-unireplknet"])


def _huggingface(file: KeyedFile, name: LayoutName, dimensions: int) -> Layout | None:
    bare = huggingface.bare(file.bare)
    kernel, distilled = KeyedFile(file.content, bare).tensor(huggingface.KERNEL), huggingface.SECOND_TOKEN in bare
    if kernel is None or kernel.ndim != dimensions or distilled != (name in BLOCKS_ALONE):
        return None
    if foreign(bare.keys() - {huggingface.SECOND_TOKEN}, kernel):
        return None
    tensors, understood = huggingface.as_timm({key: _plain(file.content, original) for key, original in bare.items()})
    split = any(key.endswith(SPLIT_BIASES) for key in tensors)
    matrix = tensors.get("blocks.0.attn.qkv.weight")
    if matrix is None or matrix.ndim != 2 or split != (dimensions == 5):
        return None
    pictures: tuple[Modality, ...] = ("image",) if kernel.shape[1] != 1 else ("audio",) if distilled else ("image", "audio")
    modalities: tuple[Modality, ...] = ("video",) if dimensions == 5 else pictures
    mapping = (_CLIPS if dimensions == 5 else _VIT) | _NORM
    renamed = {mapping.get(key, key): tensor for key, tensor in tensors.items()}
    left = [key for key in bare if key not in understood]
    ignored = sorted(bare[key] for key in left if key.startswith(huggingface.BESIDE))
    unknown = sorted(bare[key] for key in left if not key.startswith(huggingface.BESIDE))
    return Layout(name, modalities, renamed, (*ignored, *file.content.others), tuple(unknown))


DEFINITIONS: dict[LayoutName, Callable[[KeyedFile, bool], Layout | None]] = {
    "mae": _mae,
    "audiomae": _audiomae,
    "point-mae": _point,
    "videomae": _videomae,
    "m2pt-zoo": _zoo,
    "timm": _timm,
    "hf-vit": lambda file, _: _huggingface(file, "hf-vit", 4),
    "hf-videomae": lambda file, _: _huggingface(file, "hf-videomae", 5),
    "hf-distilled": lambda file, _: _huggingface(file, "hf-distilled", 4),
    "m2pt": _own,
    "m2pt-unireplknet": _own_convnet,
}


def _convert(
    file: KeyedFile,
    name: LayoutName,
    modalities: tuple[Modality, ...],
    mapping: Mapping[str, str],
    ignored: tuple[str, ...],
) -> Layout:
    leaves = (*LEAVES, *SPLIT_BIASES) if name == "videomae" else LEAVES
    tensors: dict[str, Tensor] = {}
    left: tuple[list[str], list[str]] = ([], [])
    for key, original in file.bare.items():
        block = BLOCK.fullmatch(key)
        if key in mapping or (block is not None and block[2] in leaves):
            tensors[mapping.get(key, key)] = _plain(file.content, original)
        else:
            left[0 if key.startswith(ignored) else 1].append(original)
    return Layout(name, modalities, tensors, (*sorted(left[0]), *file.content.others), tuple(sorted(left[1])))


def _plain(content: Content, key: str) -> Tensor:
    tensor = content.tensors[key]
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.is_complex():
        raise UserError(f"{content.file}: {key} is sparse, quantised or complex; m2pt only reads plain tensors of real numbers.")
    if tensor.is_meta:
        raise UserError(f"{content.file}: {key} has a shape but no values (it was on the device `meta`); save the loaded model.")
    return tensor.detach()

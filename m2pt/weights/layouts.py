"""The published layouts: which of them a file has, told from its keys, and the way from its keys to this project's.

Here: `tokenizer.*`, `blocks.N.*` and `norm.*`, blocks with timm's names. Shapes: D width, C channels.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from m2pt.config import MODALITIES, Modality, UserError
from m2pt.weights.content import PICKLED_MODULE, Content

LayoutName = Literal["mae", "audiomae", "point-mae", "videomae", "m2pt-zoo", "timm", "m2pt"]

DESCRIPTIONS: dict[LayoutName, str] = {
    "mae": "MAE (facebookresearch/mae)",
    "audiomae": "AudioMAE (facebookresearch/AudioMAE)",
    "point-mae": "Point-MAE (Pang-Yatian/Point-MAE)",
    "videomae": "VideoMAE (MCG-NJU/VideoMAE)",
    "m2pt-zoo": "M2PT's model zoo (AILab-CVC/M2PT): a ViT of timm below a wrapper",
    "timm": "a ViT of timm, keys at the top (also files of M2PT's model zoo)",
    "m2pt": "an encoder of this project",
}

BIAS = "attn.qkv.bias"
SPLIT_BIASES = ("attn.q_bias", "attn.v_bias")
LEAVES = tuple(
    f"{layer}.{kind}"
    for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    for kind in ("weight", "bias")
)
"""What a block has; one layout lacks the bias of qkv, and one has it in two parts."""

_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_WRAPPED = re.compile(r"^(?:module\.|backbone\.|base_model\.)+|(?<=\.)_orig_mod\.|^_orig_mod\.")
_NORM = {f"norm.{kind}": f"norm.{kind}" for kind in ("weight", "bias")}
_VIT = {
    "cls_token": "tokenizer.class_token",
    "pos_embed": "tokenizer.positions",
    "patch_embed.proj.weight": "tokenizer.projection.weight",
    "patch_embed.proj.bias": "tokenizer.projection.bias",
}
_POINT = {"encoder.first_conv.": "tokenizer.local.", "encoder.second_conv.": "tokenizer.joint.", "pos_embed.": "tokenizer.place."}
_POINT_CLASS = {"cls_token": "tokenizer.class_token", "cls_pos": "tokenizer.class_position"}

_IGNORED: dict[str, tuple[str, ...]] = {
    "vit": ("decoder_", "decoder.", "mask_token", "head.", "fc_norm.", "pre_logits."),
    "videomae": ("decoder.", "encoder_to_decoder.", "mask_token", "head.", "fc_norm."),
    "point-mae": (
        "MAE_decoder.", "mask_token", "decoder_pos_embed.", "increase_dim.", "cls_head_finetune.",
        "label_conv.", "propagation_0.", "convs1.", "convs2.", "convs3.", "bns1.", "bns2.",
    ),
    "m2pt": ("head.", "fc_norm."),
}  # fmt: skip
"""Beginnings of the keys of decoders and heads, which no encoder needs."""


@dataclass(frozen=True)
class Layout:
    """A file's tensors under this project's keys, as the file has them: biases in parts, patch kernels of several dimensions.

    `modalities` are those that the layout can be of; empty where it does not tell. `ignored` and `unknown` are keys of the file.
    """

    name: LayoutName
    modalities: tuple[Modality, ...]
    tensors: Mapping[str, Tensor]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return 1 + max(int(found[1]) for key in self.tensors if (found := _BLOCK.fullmatch(key)))

    @property
    def width(self) -> int:
        """The width of the tokens."""
        return next(tensor.shape[-1] for key, tensor in self.tensors.items() if key.endswith("norm1.weight"))

    def leaves(self, leaf: str) -> list[str]:
        """The keys of all blocks that end in `leaf`."""
        return [key for key in self.tensors if (found := _BLOCK.fullmatch(key)) and found[2] == leaf]


def detect(content: Content) -> Layout:
    """Tell a file's layout from its keys.

    Raises:
        UserError: it has none that is known, or names a tensor twice.

    """
    bare = _bare(content)
    if any(key.startswith("tokenizer.") for key in bare):
        return _own(content, bare)
    if any(key.endswith("first_conv.0.weight") for key in bare):
        return _point(content, bare)
    if any(key.startswith("encoder.blocks.") for key in bare):
        bare = {key.removeprefix("encoder."): original for key, original in bare.items()}
    if "blocks.0.norm1.weight" not in bare or not any(key.startswith("blocks.0.attn.qkv.") for key in bare):
        first = ", ".join(sorted(content.tensors)[:3])
        known = "MAE, AudioMAE, Point-MAE, VideoMAE, the M2PT zoo, timm and this project"
        raise UserError(f"{content.file}: its keys ({first}, ...) are of no layout that m2pt knows; it reads those of {known}.")
    kernel = _tensor(content, bare, "patch_embed.proj.weight")
    split = any(key.endswith(SPLIT_BIASES) for key in bare)
    if split or (kernel is not None and kernel.ndim == 5):
        mapping = {key: name for key, name in _VIT.items() if key != "cls_token"} | _NORM
        return _convert(content, bare, "videomae", ("video",), mapping, _IGNORED["videomae"])
    return _vit(content, bare, kernel)


def _bare(content: Content) -> dict[str, str]:
    """The keys without what wrappers of PyTorch put before them, each with the key as the file has it."""
    bare: dict[str, str] = {}
    for key in content.tensors:
        short = _WRAPPED.sub("", key)
        if short in bare:
            raise UserError(f"{content.file}: {bare[short]} and {key} are both {short}; keep one of them.")
        bare[short] = key
    return bare


def _tensor(content: Content, bare: Mapping[str, str], key: str) -> Tensor | None:
    return content.tensors[bare[key]] if key in bare else None


def _vit(content: Content, bare: dict[str, str], kernel: Tensor | None) -> Layout:
    """Tell apart the layouts with the keys of timm's ViT: by decoder and wrapper, and by the channels of the patches."""
    channels = None if kernel is None else kernel.shape[1]
    mae = content.wrapper == "model" or any(key.startswith(("decoder_", "mask_token")) for key in bare)
    name: LayoutName = "mae"
    modalities: tuple[Modality, ...] = ("image",)
    if mae and channels == 1:
        positions = _tensor(content, bare, "pos_embed")
        square = positions is not None and math.isqrt(positions.shape[-2] - 1) ** 2 == positions.shape[-2] - 1
        name, modalities = "audiomae", ("audio", "image") if square else ("audio",)
    if not mae:
        zoo = content.wrapper in ("module", "state_dict", PICKLED_MODULE)
        name, modalities = "m2pt-zoo" if zoo else "timm", ()
    return _convert(content, bare, name, modalities, _VIT | _NORM, _IGNORED["vit"])


def _point(content: Content, bare: dict[str, str]) -> Layout:
    """Point-MAE: the pretraining file has the encoder below `MAE_encoder.`, a fine-tuned one at the top."""
    inner = "MAE_encoder."
    pretrained = any(key.startswith(inner) for key in bare)
    named = {}
    for key, original in bare.items():
        short = key.removeprefix(inner)
        if pretrained and short == key and not key.startswith(_IGNORED["point-mae"]):
            short = f"beside {key}"
        named[short.replace("blocks.blocks.", "blocks.", 1)] = original
    mapping = _POINT_CLASS | _NORM
    for beginning, ours in _POINT.items():
        mapping |= {key: ours + key.removeprefix(beginning) for key in named if key.startswith(beginning)}
    return _convert(content, named, "point-mae", ("point",), mapping, _IGNORED["point-mae"])


def _own(content: Content, bare: dict[str, str]) -> Layout:
    mapping = {key: key for key in bare if key.startswith("tokenizer.")} | _NORM
    return _convert(content, bare, "m2pt", (), mapping, _IGNORED["m2pt"])


def _convert(
    content: Content,
    bare: Mapping[str, str],
    name: LayoutName,
    modalities: tuple[Modality, ...],
    mapping: Mapping[str, str],
    ignored: tuple[str, ...],
) -> Layout:
    leaves = (*LEAVES, *SPLIT_BIASES) if name == "videomae" else LEAVES
    tensors: dict[str, Tensor] = {}
    left: tuple[list[str], list[str]] = ([], [])
    for key, original in bare.items():
        block = _BLOCK.fullmatch(key)
        if key in mapping or (block is not None and block[2] in leaves):
            tensors[mapping.get(key, key)] = _plain(content, original)
        else:
            left[0 if key.startswith(ignored) else 1].append(original)
    if "blocks.0.norm1.weight" not in tensors:
        raise UserError(f"{content.file}: has the keys of {DESCRIPTIONS[name]}, but no first block (blocks.0); fetch it again.")
    return Layout(name, modalities, tensors, (*sorted(left[0]), *content.others), tuple(sorted(left[1])))


def _plain(content: Content, key: str) -> Tensor:
    tensor = content.tensors[key]
    if tensor.is_sparse or tensor.is_quantized or tensor.is_complex():
        raise UserError(f"{content.file}: {key} is sparse, quantised or complex; m2pt reads plain tensors of real numbers.")
    return tensor.detach()


def possible_modalities(layout: Layout) -> tuple[Modality, ...]:
    """The modalities that a file's encoder can be of, also judged by its tokenizer; several where nothing tells them apart."""
    if layout.modalities:
        return layout.modalities
    kernel = layout.tensors.get("tokenizer.projection.weight")
    if "tokenizer.local.0.weight" in layout.tensors:
        return ("point",)
    if kernel is None or kernel.ndim < 4:
        return MODALITIES
    return ("image",) if kernel.shape[1] == 3 else ("image", "audio")

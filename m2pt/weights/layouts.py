"""Layouts: the name of each, and a file's tensors under this project's keys.

These are `tokenizer.*`, `blocks.N.*` and `norm.*`, with timm's names in the blocks. Shapes: D width, C channels.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from m2pt.config import MODALITIES, LayoutName, Modality

DESCRIPTIONS: dict[LayoutName, str] = {
    "mae": "MAE (facebookresearch/mae)",
    "audiomae": "AudioMAE (facebookresearch/AudioMAE)",
    "point-mae": "Point-MAE (Pang-Yatian/Point-MAE)",
    "videomae": "VideoMAE (MCG-NJU/VideoMAE)",
    "m2pt-zoo": "M2PT's model zoo (AILab-CVC/M2PT): a ViT of timm below a wrapper",
    "timm": "a ViT of timm, keys at the top (also files of M2PT's model zoo)",
    "hf-vit": "a ViT of Hugging Face's transformers (ViT, ViTMAE, ViTMSN)",
    "hf-videomae": "VideoMAE of Hugging Face's transformers",
    "hf-distilled": "an encoder with two class tokens of Hugging Face's transformers (AST, DeiT)",
    "m2pt": "an encoder of this project",
    "m2pt-unireplknet": "a UniRepLKNet of this project",
}

HUGGING_FACE: tuple[LayoutName, ...] = ("hf-vit", "hf-videomae", "hf-distilled")
"""The layouts with a config.json next to their files, for facts that the tensors do not show."""

BLOCKS_ALONE: tuple[LayoutName, ...] = ("hf-distilled",)
"""The layouts whose tokenizer no input here has: their encoders serve as auxiliaries, which need none."""

OWN: tuple[LayoutName, ...] = ("m2pt", "m2pt-unireplknet")
"""The layouts of this project."""

BIAS = "attn.qkv.bias"
SPLIT_BIASES = ("attn.q_bias", "attn.v_bias")
LEAVES = tuple(
    f"{layer}.{kind}"
    for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    for kind in ("weight", "bias")
)
"""The tensors of a block; one layout lacks the bias of qkv, and one has it in two parts."""

BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
"""A key of a block: its number and the leaf."""


@dataclass(frozen=True)
class Layout:
    """A file's tensors under this project's keys, not yet converted: biases in parts, patch kernels of several dimensions.

    `modalities` are those that the layout can belong to; empty if unknown. `ignored` and `unknown` are keys of the file.
    """

    name: LayoutName
    modalities: tuple[Modality, ...]
    tensors: Mapping[str, Tensor]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def indices(self) -> tuple[int, ...]:
        """The numbers of the blocks, in order."""
        return tuple(sorted({int(block[1]) for key in self.tensors if (block := BLOCK.fullmatch(key))}))

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.indices)

    @property
    def width(self) -> int:
        """The width of the tokens, or of a ConvNet's last map."""
        if self.name == "m2pt-unireplknet":
            return len(self.tensors[f"blocks.{self.indices[-1]}.mlp.fc2.weight"])
        return self.tensors["blocks.0.attn.qkv.weight"].shape[1]

    def leaves(self, leaf: str) -> list[str]:
        """The keys of all blocks that end in `leaf`."""
        return [key for key in self.tensors if (block := BLOCK.fullmatch(key)) and block[2] == leaf]


def possible_modalities(layout: Layout) -> tuple[Modality, ...]:
    """The modalities that a file's encoder can belong to, judged also by its tokenizer; several if it is ambiguous."""
    if layout.modalities:
        return layout.modalities
    kernel = layout.tensors.get("tokenizer.projection.weight")
    if "tokenizer.local.0.weight" in layout.tensors:
        return ("point",)
    if kernel is None or kernel.ndim < 4:
        return MODALITIES
    return ("image",) if kernel.shape[1] == 3 else ("image", "audio")

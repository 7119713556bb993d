"""What a file of weights is, without a model to load it into."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from m2pt.config import Modality
from m2pt.identity import file_sha256
from m2pt.weights.content import Kind, read_content
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, SPLIT_BIASES, Layout, LayoutName, detect, possible_modalities
from m2pt.weights.positions import Grid, repeated, square


@dataclass(frozen=True)
class Inspection:
    """The facts of one file.

    `patch` is the shape of a patch, channels first, and None where there is none or it is not told; `positions` counts stored
    positions, `grid` are their rows and columns where they show it. `parameters` counts what the encoder has (not decoder or
    head). `missing_biases` are those that the layout has none of, `unknown` are keys that keep the file from being loaded. Heads
    leave no trace in a file.
    """

    file: str
    format: Kind
    sha256: str
    bytes: int
    layout: LayoutName
    description: str
    wrapper: str | None
    modalities: tuple[Modality, ...]
    depth: int
    width: int
    mlp_ratio: float | None
    patch: tuple[int, ...] | None
    positions: int | None
    grid: Grid | None
    class_token: bool
    final_norm: bool
    parameters: int
    precisions: tuple[str, ...]
    missing_biases: tuple[str, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Say what a file of weights (or the one in a folder) is.

    Raises:
        UserError: it is missing, damaged, or of no known layout.

    """
    content = read_content(path)
    layout = detect(content)
    tensors = layout.tensors
    kernel, fc1 = (tensors.get(key) for key in ("tokenizer.projection.weight", "blocks.0.mlp.fc1.weight"))
    positions = tensors.get("tokenizer.positions")
    return Inspection(
        file=str(content.file),
        format=content.kind,
        sha256=file_sha256(content.file),
        bytes=content.file.stat().st_size,
        layout=layout.name,
        description=DESCRIPTIONS[layout.name],
        wrapper=content.wrapper,
        modalities=possible_modalities(layout),
        depth=layout.depth,
        width=layout.width,
        mlp_ratio=None if fc1 is None else len(fc1) / layout.width,
        patch=tuple(kernel.shape[1:]) if kernel is not None and kernel.ndim > 2 else None,
        positions=None if positions is None else positions.shape[-2],
        grid=None if positions is None else _grid(positions),
        class_token="tokenizer.class_token" in tensors,
        final_norm="norm.weight" in tensors,
        parameters=sum(tensor.numel() for key, tensor in tensors.items() if not key.endswith(_STATISTICS)),
        precisions=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})),
        missing_biases=_missing_biases(layout),
        ignored=layout.ignored,
        unknown=layout.unknown,
    )


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _grid(positions: Tensor) -> Grid | None:
    places = positions.flatten(0, -2)
    return repeated(places) or square(len(places) - 1)


def _missing_biases(layout: Layout) -> tuple[str, ...]:
    if layout.leaves(BIAS):
        return ()
    split = all(layout.leaves(leaf) for leaf in SPLIT_BIASES)
    return ("attn.k_bias (zero)",) if split else (f"{BIAS} (zero)",)

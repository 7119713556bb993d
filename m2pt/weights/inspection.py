"""The facts of a weights file that can be seen without a model to load it into."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from m2pt.config import MODALITIES, LayoutName, Modality, Reading, UserError, Weights
from m2pt.weights.beside import Said, said_of
from m2pt.weights.content import Kind, read_content
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, SPLIT_BIASES, Layout, possible_modalities
from m2pt.weights.positions import Grid, UnknownGridError, has_clips, own_grid, place
from m2pt.weights.recognition import fitting
from m2pt.weights.shards import weights_files, weights_sha256


@dataclass(frozen=True)
class Inspection:
    """The facts of one file, or of several with an index.

    `fits` are the layouts that the file can have, `layout` is the first of them, by which the other facts are read. `weights`
    says whether these are the trained weights or their moving average, `beside` which entries hold the others. `patch` is the
    shape of a patch, channels first, or None if it is unknown. `positions` counts stored positions, `grid` is their grid if the
    layout or a fixed code defines it (frequency and time for AudioMAE), `placed` says how they change on another grid.
    `parameters` counts those of the encoder (without decoder or head). `missing_biases` are those that the layout does not have,
    `unknown` are keys that prevent the file from being loaded. `heads` is what `heads_by` says of their number; None where
    nothing does: tensors do not show it.
    """

    file: str
    files: tuple[str, ...]
    format: Kind
    sha256: str
    bytes: int
    layout: LayoutName
    fits: tuple[LayoutName, ...]
    description: str
    wrapper: str | None
    weights: Weights
    beside: tuple[str, ...]
    modalities: tuple[Modality, ...]
    depth: int
    width: int
    mlp_ratio: float | None
    patch: tuple[int, ...] | None
    positions: int | None
    grid: Grid | None
    placed: str | None
    class_token: bool
    final_norm: bool
    parameters: int
    precisions: tuple[str, ...]
    missing_biases: tuple[str, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]
    heads: int | None = None
    heads_by: str | None = None
    qkv_bias: bool = True


def inspect(path: Path, reading: Reading | None = None, places: Grid | None = None) -> Inspection:
    """The facts of a file of weights (or the one in a folder, or those of an index).

    Args:
        path: the file, folder or index.
        reading: what a study declares about the file.
        places: the grid of an input on which the positions would be used, with the axes of its modality.

    Raises:
        UserError: it is missing, damaged, or of no known layout.

    """
    reading = reading or Reading()
    content = read_content(path, reading.weights, "--weights")
    layouts = fitting(content, tuple(DESCRIPTIONS), reading.layout, "--layout")
    layout, files = layouts[0], weights_files(path)
    rows_ND = _positions(layout)
    return Inspection(
        file=str(content.file),
        files=tuple(file.name for file in files[1:]),
        format=content.kind,
        sha256=weights_sha256(path),
        bytes=sum(file.stat().st_size for file in files),
        layout=layout.name,
        fits=tuple(item.name for item in layouts),
        description=" or ".join(DESCRIPTIONS[item.name] for item in layouts),
        wrapper=content.wrapper,
        weights=content.weights,
        beside=content.beside,
        modalities=tuple(dict.fromkeys(name for item in layouts for name in possible_modalities(item))),
        depth=layout.depth,
        width=layout.width,
        mlp_ratio=_mlp_ratio(layout),
        patch=_patch(layout),
        positions=None if rows_ND is None else len(rows_ND),
        grid=reading.grid if rows_ND is None else _grid(rows_ND, layout, reading),
        placed=None if rows_ND is None or places is None else _placed(path, rows_ND, layouts, reading, places),
        class_token="tokenizer.class_token" in layout.tensors,
        final_norm="norm.weight" in layout.tensors,
        parameters=sum(tensor.numel() for key, tensor in layout.tensors.items() if not key.endswith(_STATISTICS)),
        precisions=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in layout.tensors.values()})),
        ignored=layout.ignored,
        unknown=layout.unknown,
        **_attention(layout, said_of(content.file, layout, reading)),
    )


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _attention(layout: Layout, said: Said | None) -> dict[str, Any]:
    """The attention of its blocks, as far as the file or anything beside it shows it."""
    heads = {} if said is None or said.heads is None else {"heads": said.heads, "heads_by": said.by}
    return {
        "missing_biases": _missing_biases(layout),
        "qkv_bias": any(layout.leaves(leaf) for leaf in (BIAS, *SPLIT_BIASES)),
        **heads,
    }


def _positions(layout: Layout) -> Tensor | None:
    """The stored positions, (N, D)."""
    positions = layout.tensors.get("tokenizer.positions")
    return None if positions is None or positions.ndim < 2 else positions.flatten(0, -2)


def _mlp_ratio(layout: Layout) -> float | None:
    fc1 = layout.tensors.get("blocks.0.mlp.fc1.weight")
    return None if fc1 is None or fc1.ndim != 2 else len(fc1) / layout.width


def _patch(layout: Layout) -> tuple[int, ...] | None:
    kernel = layout.tensors.get("tokenizer.projection.weight")
    return tuple(kernel.shape[1:]) if kernel is not None and kernel.ndim > 2 else None


def _modality(layout: Layout) -> Modality:
    """The modality whose rule applies to the positions: the layout's own, or the one that the patches imply."""
    kernel = layout.tensors.get("tokenizer.projection.weight")
    clips = (modality for modality in MODALITIES if has_clips(modality))
    return next(clips) if kernel is not None and kernel.ndim == 5 else possible_modalities(layout)[0]


def _grid(positions_ND: Tensor, layout: Layout, reading: Reading) -> Grid | None:
    modality = _modality(layout)
    try:
        return None if has_clips(modality) else own_grid(positions_ND, layout.name, modality, None, reading.grid)[0]
    except UnknownGridError:
        return None


def _placed(path: Path, positions_ND: Tensor, layouts: list[Layout], reading: Reading, places: Grid) -> str:
    outcomes = []
    for layout in layouts:
        try:
            _, resampled = place(positions_ND, layout.name, _modality(layout), places, reading.grid)
            outcomes.append("taken as stored, in order" if resampled is None else str(resampled))
        except UnknownGridError as error:
            outcomes.append(f"refused: {error}")
        except (RuntimeError, IndexError, ValueError) as error:
            raise UserError(
                f"{path}: --places {'x'.join(map(str, places))} does not have the axes of its modality; correct it."
            ) from error
    return "; ".join(dict.fromkeys(outcomes))


def _missing_biases(layout: Layout) -> tuple[str, ...]:
    if layout.leaves(BIAS):
        return ()
    split = all(layout.leaves(leaf) for leaf in SPLIT_BIASES)
    return ("attn.k_bias (zero)",) if split else (f"{BIAS} (zero)",)

"""Whether a model or its samples are too large for the memory of this machine, before anything trains."""

import math
import os
from pathlib import Path

from m2pt.config import ProceduralPretrain
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec

_TRAINED, _KEPT = 16, 4
"""Bytes for each weight in fp32: trained, with its gradient and the two averages of AdamW; or frozen."""

_BLOCKS = {"vit": "model.depth", "unireplknet": "model.stages"}
"""The key that says how many blocks a model has, by its family."""


_SIZES = {"image": ("size",), "audio": ("frames", "mels"), "point": ("points",), "video": ("size", "frames")}
"""The keys that say how large a sample is, by modality; the larger one is to be lowered."""


def too_large(spec: Spec, device: str) -> str | None:
    """Why a run cannot fit into memory, however it is trained; None if it might.

    Only a batch of samples as it is read, the tokens of one sample, and the matrices of the target's blocks are counted. The
    model and its tokens are on the device, and how much memory a CUDA device has is not known without starting it.
    """
    memory = _memory()
    if memory is None:
        return None
    return (_blocks_too_large(spec, memory) if device == "cpu" else None) or _samples_too_large(spec, device, memory)


def _samples_too_large(spec: Spec, device: str, memory: int) -> str | None:
    if isinstance(spec, PretrainSpec) and isinstance(spec.pretrain, ProceduralPretrain):
        return None  # reads no samples
    recipe = spec.finetune if isinstance(spec, RunSpec) else spec.pretrain
    sizes = spec.input.sample_shape
    tokens = math.prod(spec.input.counts) if spec.input.counts and spec.model.family == "vit" else 0
    batch = recipe.batch_size * math.prod(sizes) * _KEPT
    embedded = tokens * spec.model.width * _KEPT if device == "cpu" else 0
    needed = max(batch, embedded)
    if needed <= memory:
        return None
    keys = _SIZES.get(spec.modality, ())
    key = max(keys, key=lambda name: getattr(spec.input, name), default=None)
    what = (
        f"a batch of {recipe.batch_size} needs"
        if batch >= embedded
        else f"its {tokens:.1e} tokens of width {spec.model.width} need"
    )
    return (
        f"inputs.{spec.modality}{'' if key is None else f'.{key}'}: a sample has the sizes {' × '.join(map(str, sizes))}, and "
        f"{what} at least {needed / 2**30:,.0f} GiB of memory, and this machine has {memory / 2**30:,.0f}; lower "
        f"{key or 'its sizes'}{'' if batch < embedded else ' or the batch size'}."
    )


def _blocks_too_large(spec: Spec, memory: int) -> str | None:
    count = spec.model.matrix_entries
    needed = count * (_KEPT if isinstance(spec, RunSpec) and spec.tuning == "fix" else _TRAINED)
    if needed <= memory:
        return None
    return (
        f"model: {spec.model.blocks} blocks of width {spec.model.width} have {count:.1e} parameters, which need at least "
        f"{needed / 2**30:,.0f} GiB of memory, and this machine has {memory / 2**30:,.0f}; lower model.width or "
        f"{_BLOCKS[spec.model.family]}."
    )


def _memory() -> int | None:
    """Bytes of memory of this machine, or of the control group (the container) that it runs in."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        return whole if limit == "max" else min(whole, int(limit))
    except (OSError, ValueError):  # no control groups (version 2) on this machine
        return whole

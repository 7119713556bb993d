"""Whether a model is too large for the memory of this machine, before anything trains."""

import os
from pathlib import Path

from m2pt.runs.spec import RunSpec, Spec

_TRAINED, _KEPT = 16, 4
"""Bytes for each weight in fp32: trained, with its gradient and the two averages of AdamW; or frozen."""

_BLOCKS = {"vit": "model.depth", "unireplknet": "model.stages"}
"""The key that says how many blocks a model has, by its family."""


def too_large(spec: Spec, device: str) -> str | None:
    """Why the blocks of a run's model cannot fit, however it is trained; None if they might, or if it runs on a CUDA device.

    Only the matrices of the target's blocks are counted. How much memory a CUDA device has is not known without starting it.
    """
    memory = _memory()
    if device != "cpu" or memory is None:
        return None
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

"""Which complete runs of a study have damaged files. That a run is whole is remembered until one of its files changes."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from m2pt.config import UserError
from m2pt.files.documents import recalled_json, remember_json
from m2pt.files.state import state_of
from m2pt.runs.damage import read_whole, require_encoder
from m2pt.runs.folder import ENCODER, HISTORY, RECONSTRUCTIONS, RECORD, SPEC, TEST_SAMPLES
from m2pt.runs.record import FinetuneRecord, PretrainRecord

_LOOKED_AT = {
    PretrainRecord: (RECORD, HISTORY, SPEC, RECONSTRUCTIONS, ENCODER),
    FinetuneRecord: (RECORD, HISTORY, SPEC, TEST_SAMPLES),
}
"""The files that decide. A merged model is none: it is read where it is used, and by `m2pt verify`."""

_SETTLED_NS = 2_000_000_000
"""How long ago a file must have changed for its state to be remembered (`m2pt.files.parsed`)."""


Kind = type[FinetuneRecord] | type[PretrainRecord]


def damaged(run_dirs: Mapping[Path, Kind], memory: Path) -> dict[Path, str]:
    """The complete runs among `run_dirs` that are damaged, each with what is wrong, in a sentence that names the file."""
    known, whole, hurt = recalled_json(memory) or {}, {}, {}
    before_ns = time.time_ns() - _SETTLED_NS
    for run_dir, kind in run_dirs.items():
        path = os.fspath(run_dir)
        state, changed_ns = _state(path, _LOOKED_AT[kind])
        if not changed_ns:  # it is not complete
            continue
        if state != known.get(path) and (sentence := _damage(run_dir, kind)) is not None:
            hurt[run_dir] = sentence
        elif changed_ns < before_ns:
            whole[path] = state
    if whole != known:
        remember_json(memory, whole)
    return hurt


def _state(path: str, names: tuple[str, ...]) -> tuple[str, int]:
    """The states of a run's files, and when the last one changed; 0 without a record."""
    states = []
    for name in names:
        try:
            states.append(state_of(os.stat(f"{path}/{name}")))  # noqa: PTH116  # of thousands of runs
        except OSError:
            if name == RECORD:
                return "", 0
    words = " ".join(f"{state.inode}.{state.size}.{state.modified_ns}.{state.changed_ns}" for state in states)
    return words, max(state.changed_ns for state in states)


def _damage(run_dir: Path, kind: Kind) -> str | None:
    try:
        if kind is PretrainRecord:
            require_encoder(run_dir, read_whole(run_dir, PretrainRecord))
        else:
            read_whole(run_dir, FinetuneRecord)
    except UserError as error:
        return str(error)
    return None

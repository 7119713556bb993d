"""Which complete runs of a study have damaged files. That a run is whole is remembered until one of its files changes.

A merged model, from which no number is made, is not looked at each time. Who reads one that is damaged says so (`doubt`).
"""

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.files.documents import recalled_json, remember_json
from m2pt.files.memory import CACHE
from m2pt.files.state import state_of
from m2pt.runs.damage import read_whole, require_encoder, require_kept
from m2pt.runs.folder import ENCODER, HISTORY, MERGED, RECONSTRUCTIONS, RECORD, SPEC, TEST_SAMPLES, is_complete
from m2pt.runs.record import FinetuneRecord, PretrainRecord
from pipelines.planning.folders import runs_folder

_LOOKED_AT = {
    PretrainRecord: (RECORD, HISTORY, SPEC, RECONSTRUCTIONS, ENCODER),
    FinetuneRecord: (RECORD, HISTORY, SPEC, TEST_SAMPLES),
}
"""The files that decide. A merged model is none: it is read where it is used, and by `m2pt verify`."""

_DOUBTED = "doubted"
"""Is remembered in the place of the state of a run whose merged model has to be read too."""

_SETTLED_NS = 2_000_000_000
"""How long ago a file must have changed for its state to be remembered (`m2pt.files.parsed`)."""


Kind = type[FinetuneRecord] | type[PretrainRecord]


def doubt(study: Study, run_dirs: Collection[Path]) -> None:
    """Remember that files of complete runs are damaged which are not looked at each time: these runs have failed from now on."""
    if not run_dirs:
        return
    known = recalled_json(memory(study)) or {}
    remember_json(memory(study), known | dict.fromkeys(map(os.fspath, run_dirs), _DOUBTED))


def doubt_models(study: Study) -> bool:
    """Read the merged models of complete runs, and doubt the runs whose model is damaged; returns whether there is one.

    All in the folder of the study: a plan does not know the run of an encoder that is to be made again.
    """
    having = [path.parent for path in runs_folder(study).glob(f"*/{MERGED}") if is_complete(path.parent)]
    wrong = [run_dir for run_dir in having if _damage(run_dir, FinetuneRecord, with_merged=True) is not None]
    doubt(study, wrong)
    return bool(wrong)


def memory(study: Study) -> Path:
    """The file that remembers which runs of a study are whole."""
    return CACHE / "parsed" / f"whole-{study.study}.json"


def damaged(run_dirs: Mapping[Path, Kind], memory: Path) -> dict[Path, str]:
    """The complete runs among `run_dirs` that are damaged, each with what is wrong, in a sentence that names the file."""
    known = recalled_json(memory) or {}
    doubts = [path for path, value in known.items() if value == _DOUBTED and Path(path) not in run_dirs]
    whole: dict[str, object] = {path: _DOUBTED for path in doubts if is_complete(Path(path))}
    hurt: dict[Path, str] = {}
    before_ns = time.time_ns() - _SETTLED_NS
    for run_dir, kind in run_dirs.items():
        path = os.fspath(run_dir)
        state, changed_ns = _state(path, _LOOKED_AT[kind])
        if not changed_ns:  # it is not complete
            continue
        doubted = known.get(path) == _DOUBTED
        if state != known.get(path) and (sentence := _damage(run_dir, kind, doubted)) is not None:
            hurt[run_dir] = sentence
            whole |= {path: _DOUBTED} if doubted else {}
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


def _damage(run_dir: Path, kind: Kind, with_merged: bool) -> str | None:
    try:
        if kind is PretrainRecord:
            require_encoder(run_dir, read_whole(run_dir, PretrainRecord))
        else:
            record = read_whole(run_dir, FinetuneRecord)
            if with_merged and (run_dir / MERGED).is_file():  # who deletes it has a reason
                require_kept(record, [run_dir / MERGED])
    except UserError as error:
        return str(error)
    return None

"""The folders of a study: its data, encoders and runs, those put aside, and the lock that only one process holds."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.folder import is_complete


def runs_folder(study: Study) -> Path:
    """The folder of a study's fine-tuning runs."""
    return Path("runs") / study.study


def encoders_folder(study: Study) -> Path:
    """The folder of a study's pretraining runs."""
    return Path("encoders") / study.study


def data_folder(study: Study, key: str) -> Path:
    """The folder of the data of a task or a modality."""
    return Path(study.data.root) / (study.tasks[key].path if key in study.tasks else key)


def aside_of(folder: Path) -> Path:
    """Where those runs of a folder go that the study no longer declares."""
    return folder.parent / ".aside" / folder.name


def replaced_of(folder: Path) -> Path:
    """Where those runs of a folder go that are repeated in another environment; they only come back by hand."""
    return folder.parent / ".replaced" / folder.name


def place_of(run_dir: Path) -> Path:
    """The folder of a run: its own, or that aside if only there it is complete; it is moved back before anything is run."""
    kept = aside_of(run_dir.parent) / run_dir.name
    return kept if not is_complete(run_dir) and is_complete(kept) else run_dir


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's runs, a file next to `folder`; the system frees it when this process ends in any way.

    Raises:
        UserError: another process holds it; the sentence names its process id.

    """
    path = folder.parent / f".{folder.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"{path}: the lock cannot be written ({error.strerror}); check the permissions of its folder.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise UserError(f"the study in {folder} is already running (pid {holder}); wait for it to end, or stop it.") from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)

"""The folders of a study: its data, encoders and runs, those put aside, and the lock that only one process holds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.files.locks import LockHeldError, locked
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
    """Where the runs of a folder go if the study no longer declares them."""
    return folder.parent / ".aside" / folder.name


def replaced_of(folder: Path) -> Path:
    """Where the runs of a folder go if they are repeated in another environment; they only come back by hand."""
    return folder.parent / ".replaced" / folder.name


def place_of(run_dir: Path) -> Path:
    """The folder of a run: its own, or that aside if the run is complete only there; it is moved back before anything is run."""
    kept = aside_of(run_dir.parent) / run_dir.name
    return kept if not is_complete(run_dir) and is_complete(kept) else run_dir


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's runs, a file next to `folder`; the system frees it when this process ends in any way.

    Raises:
        UserError: another process holds it; the sentence names its process id.

    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder.parent / f".{folder.name}.lock", wait_s=0))
        except LockHeldError as error:
            raise UserError(
                f"the study in {folder} is already running (pid {error.holder}); wait for it to end, or stop it."
            ) from None
        yield

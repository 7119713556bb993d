"""The folders of a study: its data, encoders and runs, those put aside, and the lock that only one process holds."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.spelling import suggestion
from m2pt.files import markers
from m2pt.files.leases import LeaseHeldError, leased
from m2pt.runs.folder import is_complete


def runs_folder(study: Study) -> Path:
    """The folder of a study's fine-tuning runs."""
    return Path("runs") / study.study


def encoders_folder(study: Study) -> Path:
    """The folder of a study's pretraining runs."""
    return Path("encoders") / study.study


def data_folder(study: Study, key: str) -> Path:
    """The folder of the data of a task or a modality; `..` leads out of `data.root` whether or not that exists yet."""
    folder = Path(study.data.root) / (study.tasks[key].path if key in study.tasks else key)
    return Path(os.path.normpath(folder)) if ".." in folder.parts else folder


def aside_of(folder: Path) -> Path:
    """Where the runs of a folder go if the study no longer declares them."""
    return folder.parent / ".aside" / folder.name


def replaced_of(folder: Path) -> Path:
    """Where the runs of a folder go if they are repeated (another environment, damage); they only come back by hand."""
    return folder.parent / ".replaced" / folder.name


def place_of(run_dir: Path) -> Path:
    """The folder of a run: its own, or that aside if the run is complete only there; it is moved back before anything is run."""
    if is_complete(run_dir):
        return run_dir
    kept = aside_of(run_dir.parent) / run_dir.name
    return kept if is_complete(kept) else run_dir


def run_named(name: str, runs: Path = Path("runs")) -> Path:
    """The folder of a run that is named by its folder, by its id, or by the hash at the end of its id.

    Raises:
        UserError: there is none, or several.

    """
    if os.sep in name or Path(name).is_dir():
        return Path(name)
    known = [path for study in sorted(runs.glob("[!.]*")) if study.is_dir() for path in study.glob("[!.]*")]
    same = [path for path in known if path.name == name] or [path for path in known if path.name.rpartition("-")[2] == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise UserError(f"{name}: is the name of several runs; name the folder of one: {', '.join(map(str, sorted(same)))}.")
    meant = suggestion(name, [path.name for path in known]) or "; `m2pt plan --json` lists the ids of a study's runs."
    raise UserError(f"{name}: there is no such run below {runs}/{meant}")


def study_marker(folder: Path) -> Path:
    """The marker of the lease of a study's runs, next to their folder."""
    return folder.parent / f".{folder.name}.lease"


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lease of a study's runs; it is free as soon as this process ends in any way, or expires if its host does.

    A process that was frozen until another one took the lease is interrupted, as by Ctrl-C: its runs have leases of their own.

    Raises:
        UserError: another process holds it; the sentence names its process id, and its host if it is another one.

    """
    with ExitStack() as stack:
        try:
            lost, waits = partial(_interrupt, folder), partial(_say_wait, folder)
            stack.enter_context(leased(study_marker(folder), wait_s=0, lost=lost, waits=waits))
        except LeaseHeldError as error:
            raise UserError(
                f"the study in {folder} is already running (pid {error.holder}); wait for it to end, or stop it."
            ) from None
        yield


def _say_wait(folder: Path, holder: str) -> None:
    print(
        f"m2pt: looks for {markers.EXPIRY_S:g} s at most whether the study in {folder} still runs (pid {holder}).",
        file=sys.stderr,
    )


def _interrupt(folder: Path) -> None:
    why = f"while this process did not respond, another one took over the study in {folder}"
    print(f"m2pt: {why}; this one ends.", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGINT)

"""Complete runs whose files are not as the run wrote them: they count as failed, and are told with the file and what to do."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.access import unreadable
from m2pt.files.documents import lines_of
from m2pt.files.memory import CACHE, known_sha256
from m2pt.files.state import file_sha256
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import ENCODER, HISTORY, RECORD, RunState, anew, read_history, run_state
from m2pt.runs.record import PretrainRecord, R, Record, read_record
from m2pt.runs.seal import WEIGHTS, read_kept


def read_whole(run_dir: Path, kind: type[R]) -> R:
    """The record of a complete run whose kept files are all as it says; weights, from which no number
    of a report is made, are not looked at.

    Raises:
        UserError: a file is damaged; the sentence names it.

    """
    record = read_record(run_dir, kind)
    for name in record.files:
        if name not in WEIGHTS:
            read_kept(run_dir, name, record.files)
    return record


def require_kept(record: Record, paths: Iterable[Path]) -> None:
    """Raise `UserError` unless these files of a complete run are those that its record speaks of; older records speak of few."""
    for path in paths:
        if path.name not in record.files:
            continue
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            raise unreadable(path, error) from error
        if sha256 != record.files[path.name]:
            raise UserError(f"{path}: is not the file that {RECORD} speaks of; {anew(path.parent)}.")


def require_encoder(run_dir: Path, record: PretrainRecord, *, afresh: bool = False) -> None:
    """Raise `UserError` unless the encoder of a pretraining is the file that its record speaks of.

    What is remembered of the file counts, unless it is to be read `afresh`.
    """
    path = run_dir / ENCODER
    try:
        sha256 = known_sha256(path, CACHE, afresh=afresh)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {anew(run_dir)}.") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if sha256 != record.files.get(ENCODER):
        raise UserError(f"{path}: is not the file that {RECORD} speaks of; {anew(run_dir)}.")


def damage_of(run_dir: Path, kind: type[R]) -> str | None:
    """What is wrong with the files of a complete run, in a sentence that names the file; None if nothing is."""
    try:
        read_whole(run_dir, kind)
    except UserError as error:
        return str(error)
    return None


def whole_state(run_dir: Path, kind: type[R]) -> tuple[RunState, str | None]:
    """The state of a run, where a damaged one counts as failed, and why it failed."""
    state = run_state(run_dir)
    if state == RunState.COMPLETE and (damage := damage_of(run_dir, kind)) is not None:
        return RunState.FAILED, damage
    return state, failure_of(run_dir) if state == RunState.FAILED else None


def failure_of(run_dir: Path) -> str:
    """Why a run failed; if the file that says so is damaged, that."""
    try:
        return read_failure(run_dir).error
    except UserError as error:
        return str(error)


def whole_history(run_dir: Path, record: Record | None) -> list[dict[str, Any]]:
    """The epochs of a run, oldest first. With the `record` of a complete run they are those that it speaks of.

    Raises:
        UserError: the file is damaged.

    """
    if record is None or HISTORY not in record.files:
        return read_history(run_dir)
    return lines_of(read_kept(run_dir, HISTORY, record.files), run_dir / HISTORY)

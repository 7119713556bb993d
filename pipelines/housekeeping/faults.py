"""Whether every file of a study is as it was written: all of them are read, byte for byte, and nothing is changed."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.plain_yaml import read_yaml
from m2pt.files.access import unreadable
from m2pt.files.state import file_sha256
from m2pt.runs.attempts import require_attempts
from m2pt.runs.damage import whole_history
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import (
    CHECKPOINT,
    FAILURE,
    HISTORY,
    INPUTS,
    MERGED,
    RECORD,
    SPEC,
    anew,
    is_complete,
    read_history,
    read_spec,
    recipe_version,
)
from m2pt.runs.identity import RECIPE_VERSION
from m2pt.runs.inputs import read_inputs
from m2pt.runs.record import FinetuneRecord, Record, read_record
from m2pt.runs.sample_scores import mean_percent, read_sample_scores
from pipelines.housekeeping.databases import is_database, reading
from pipelines.planning.embedded_data import changed_files
from pipelines.planning.folders import encoders_folder, runs_folder
from pipelines.planning.search_journal import JOURNAL, journal_fault
from pipelines.planning.verification import verify

_STORES = ("mlflow.db", ".prefect/prefect.db")


@dataclass
class Faults:
    """What was looked at, by kind, and a sentence for each fault; `unsealed` records, of older code, vouch only for weights.

    `models` are the folders of runs with a damaged merged model, at which no other command looks.
    """

    checked: Counter[str] = field(default_factory=Counter)
    faulty: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)
    unsealed: int = 0
    models: list[Path] = field(default_factory=list)

    def look(self, kind: str, sentence: str | None) -> None:
        """Note that a thing of this kind was looked at, and what is wrong with it."""
        self.checked[kind] += 1
        if sentence is not None:
            self.faulty[kind] += 1
            self.sentences.append(sentence)


def faults_of(study: Study) -> Faults:
    """Look at all runs, encoders, data, weights, journals and stores of a study."""
    faults = Faults()
    for folder in (encoders_folder(study), runs_folder(study)):
        for run_dir in sorted(path for path in folder.glob("*") if path.is_dir()):
            _run(run_dir, faults)
    if (runs_folder(study) / JOURNAL).is_file():
        faults.look("journals", journal_fault(runs_folder(study)))
    if (lock := Path("dvc.lock")).is_file():
        faults.look("locks of DVC", _lock(lock))
    for path in map(Path, _STORES):
        if path.is_file():
            faults.look("databases", _database(path))
    _data_and_weights(study, faults)
    return faults


def _data_and_weights(study: Study, faults: Faults) -> None:
    try:
        told, error = verify(study), None
    except UserError as fault:
        told, error = [], str(fault)
    told += changed_files(study)
    if error is not None and not told and error not in faults.sentences:
        told.append(error)
    for sentence in told:
        faults.look("data and weights", sentence)
    if not told:
        faults.look("data and weights", None)


def _run(run_dir: Path, faults: Faults) -> None:
    faults.look("times", _sentence(lambda: require_attempts(run_dir)))
    if not is_complete(run_dir):
        _unfinished(run_dir, faults)
        return
    faults.look("specs", _sentence(lambda: _spec(run_dir)))
    try:
        record = read_record(run_dir)
    except UserError as error:
        faults.look("records", str(error))
        return
    faults.look("records", None)
    faults.unsealed += record.seal is None
    wrong = [sentence for name, sha256 in record.files.items() if (sentence := _file(run_dir / name, sha256, faults))]
    if not wrong:
        faults.look("scores", _sentence(lambda: _scores(run_dir, record)))


def _unfinished(run_dir: Path, faults: Faults) -> None:
    """Look at what a run left that was stopped or failed: a start goes on from its checkpoint, and writes all else again."""
    for kind, name, read in (("specs", SPEC, _spec), ("histories", HISTORY, read_history), ("inputs", INPUTS, read_inputs)):
        if _sentence(partial(read, run_dir)) is not None and (name == SPEC or (run_dir / name).is_file()):
            faults.look(kind, f"{run_dir / name}: is missing, or not as the run wrote it; the next start writes it again.")
        else:
            faults.look(kind, None)
    if (run_dir / CHECKPOINT).is_file():
        faults.look("checkpoints", _checkpoint(run_dir))
    if (run_dir / FAILURE).is_file():
        faults.look("failures", _sentence(partial(read_failure, run_dir)))


def _sentence(look: Callable[[], object]) -> str | None:
    try:
        look()
    except UserError as error:
        return str(error)
    return None


def _spec(run_dir: Path) -> None:
    if recipe_version(run_dir) == RECIPE_VERSION:
        read_spec(run_dir)


def _file(path: Path, sha256: str, faults: Faults) -> str | None:
    try:
        same = file_sha256(path) == sha256
        sentence = None if same else f"{path}: is not the file that {RECORD} speaks of; {anew(path.parent)}."
    except FileNotFoundError:
        sentence = f"{path}: is missing; {anew(path.parent)}."
    except OSError as error:
        sentence = str(unreadable(path, error))
    faults.look("kept files", sentence)
    if sentence is not None and path.name == MERGED and path.is_file():
        faults.models.append(path.parent)
    return sentence


def _scores(run_dir: Path, record: Record) -> None:
    """Raise `UserError` if a record's scores do not follow from the files of the run."""
    history = whole_history(run_dir, record)
    if not isinstance(record, FinetuneRecord):
        if history and record.val_score not in history[-1].values():
            raise UserError(f"{run_dir / RECORD}: its score is not that of the history's last line; {anew(run_dir)}.")
        return
    if history and record.epoch not in [line.get("epoch") for line in history]:
        raise UserError(f"{run_dir / RECORD}: its epoch is not in the history; {anew(run_dir)}.")
    each = read_sample_scores(run_dir, record)
    if each is not None and mean_percent(each) != record.test_score:
        raise UserError(f"{run_dir / RECORD}: its test score is not the mean of its test samples; {anew(run_dir)}.")


def _checkpoint(run_dir: Path) -> str | None:
    from m2pt.training.checkpoint import is_whole  # torch, which only an unfinished run needs

    whole = is_whole(run_dir)
    return None if whole else f"{run_dir / CHECKPOINT}: is not as its run has written it; start again: the run starts over."


def _lock(path: Path) -> str | None:
    try:
        stages = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except (UserError, OSError, ValueError):
        stages = None
    remedy = "restore it by `git checkout dvc.lock`, or delete it: `make study` writes it again"
    return None if isinstance(stages, dict) and "stages" in stages else f"{path}: is no lock of DVC; {remedy}."


def _database(path: Path) -> str | None:
    remedy = "publish again with `m2pt publish`" if path.name == "mlflow.db" else "Prefect makes it again"
    if not is_database(path):
        return f"{path}: is no database of SQLite; move it away: {remedy}."
    try:
        with reading(path) as connection:
            (answer,), *_ = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        answer = str(error)
    return None if answer == "ok" else f"{path}: is damaged ({answer}); move it away: {remedy}."

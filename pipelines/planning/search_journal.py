"""The journal of a search: the values that each trial proposed, and which trials failed.

It holds no scores: they are read from the records of the runs. The journal is a file next to the runs. It has a seal over itself
(`m2pt.runs.seal`): another value in it would be another trial. Journals of older code have none.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2pt.config import GivenSource, Study, UserError
from m2pt.files.documents import json_bytes, read_bytes, read_json, write_atomic
from m2pt.runs.damage import damage_of
from m2pt.runs.folder import RECORD, is_complete
from m2pt.runs.identity import RECIPE_VERSION, canonical, run_id
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.seal import is_sealed, sealed
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import Trial, with_trials
from pipelines.planning.folders import aside_of, place_of
from pipelines.planning.grid import part_specs
from pipelines.planning.run_maker import Fingerprints

_AGAIN = "start the study again: the same trials are proposed again, and their runs are kept"

JOURNAL = "search.json"

_SEAL = "seal"


def read_trials(study: Study, prints: Fingerprints, folder: Path) -> list[Trial]:
    """The trials in the journal of `folder`, as written there; none if it has no journal of this search.

    Raises:
        UserError: the journal cannot be read.

    """
    if study.search is None:
        return []
    entries = _entries(folder, search_id(study, prints))
    return [Trial(number, **entry) for number, entry in enumerate(entries[: study.search.trials])]


def write_trials(study: Study, prints: Fingerprints, folder: Path, trials: Sequence[Trial]) -> None:
    """Write the journal atomically. The journals of other searches, and trials beyond the number declared now, are kept."""
    path, search = folder / JOURNAL, search_id(study, prints)
    later = _entries(folder, search)[len(trials) :]
    if path.is_file() and (other := _journal(path).get("search")) != search:
        _write(_kept(folder, str(other)), _journal(path))
    _write(path, {"search": search, "trials": [*(_entry(trial) for trial in trials), *later]})


def journal_fault(folder: Path) -> str | None:
    """What is wrong with the journal of `folder`, in a sentence; None if nothing is, or there is none."""
    try:
        if (folder / JOURNAL).is_file():
            document = _journal(folder / JOURNAL)
            _listed(document, str(document.get("search")), folder / JOURNAL)
    except UserError as error:
        return str(error)
    return None


def fault_alone(sentence: str) -> str:
    """A fault of a journal without what its reader is to do, because that is being done."""
    return sentence.removesuffix(f"; {_AGAIN}.")


def _entries(folder: Path, search: str) -> list[dict[str, Any]]:
    """The trials in the journal of a search, which is the current one or was put aside; empty if there is none."""
    for path in (folder / JOURNAL, _kept(folder, search)):
        if path.is_file() and (entries := _listed(_journal(path), search, path)) is not None:
            return entries
    return []


def _listed(document: dict[str, Any], search: str, path: Path) -> list[dict[str, Any]] | None:
    """The trials of a journal; None if it is the journal of another search."""
    try:
        entries: list[dict[str, Any]] = document["trials"]
        trials = [entry for number, entry in enumerate(entries) if Trial(number, **entry)]
        return trials if document["search"] == search else None
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: is not the journal of a search; {_AGAIN}.") from error


def _journal(path: Path) -> dict[str, Any]:
    document = read_json(path, _AGAIN)
    if _SEAL in document and not is_sealed(read_bytes(path)):
        raise UserError(f"{path}: was changed after it was written (its seal does not fit); {_AGAIN}.")
    return {key: value for key, value in document.items() if key != _SEAL}


def _write(path: Path, document: dict[str, Any]) -> None:
    write_atomic(path, sealed(json_bytes(document | {_SEAL: ""})))


def _kept(folder: Path, search: str) -> Path:
    """The file of a search's journal while the study declares another search: next to the runs that are put aside."""
    return aside_of(folder) / f"search-{search}.json"


def _entry(trial: Trial) -> dict[str, Any]:
    entry: dict[str, Any] = {"values": dict(trial.values)}
    if trial.state == "failed":
        entry |= {"state": "failed", "reason": trial.reason, "refused": trial.refused}
    return entry


def search_id(study: Study, prints: Fingerprints) -> str:
    """Equal for two studies with the same trials: a hash of everything that can change a proposal, its score or its failure.

    Encoders that are pretrained here follow from the rest. The number of trials, the seeds and methods of the confirmation, the
    folder and the name do not change the search.
    """
    declared = study.model_dump(mode="json", exclude={"study", "execution", "design", "parts"})
    for section, key in (("data", "root"), ("sweep", "seeds"), ("sweep", "methods"), ("search", "trials")):
        del declared[section][key]
    files = {name for name, source in study.encoders.items() if isinstance(source, GivenSource)}
    weights = sorted([key.source, key.modality, sha256] for key, sha256 in prints.weights.items() if key.source in files)
    form = {"recipe_version": RECIPE_VERSION, "study": declared, "data": dict(prints.data), "weights": weights}
    return hashlib.sha256(canonical(form).encode()).hexdigest()[:16]


def with_results(study: Study, trials: Sequence[Trial], prints: Fingerprints, folder: Path) -> list[Trial]:
    """The trials with the results of their runs: a trial is complete if all its runs are, whatever the journal says.

    Raises:
        UserError: a record cannot be read, or has no validation score.

    """
    if not trials:
        return []
    parts = part_specs(with_trials(study, trials), prints)
    return [trial if trial.refused else with_score(trial, parts[trial.name], folder) for trial in trials]


def with_score(trial: Trial, specs: Sequence[RunSpec], folder: Path) -> Trial:
    """The trial with the mean validation score of its runs, if all of them are complete.

    Raises:
        UserError: a record cannot be read, or has no validation score.

    """
    places = [place_of(folder / run_id(spec)) for spec in specs if spec.ready]
    if len(places) < len(specs) or any(not is_complete(place) or damage_of(place, FinetuneRecord) for place in places):
        return trial
    scores = [validation_score(place) for place in places]
    return replace(trial, state="complete", score=sum(scores) / len(scores), reason="")


def validation_score(run_dir: Path) -> float:
    """The validation score of a complete run, which is all that a choice of values reads of its record.

    Raises:
        UserError: the record cannot be read, or has no validation score.

    """
    score = read_record(run_dir, FinetuneRecord).val_score
    if score is None:
        raise UserError(
            f"{run_dir / RECORD}: has no validation score, by which values are chosen; hold out part of the training data "
            "(tasks.NAME.holdout)."
        )
    return score

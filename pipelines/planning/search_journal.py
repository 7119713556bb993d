"""What a search remembers: the values that were proposed, trial by trial, and which trials failed.

Scores are not among it: they follow from the records of the runs, whenever they are wanted. The journal lies beside the runs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2pt.config import FileSource, Study, UserError
from m2pt.files.documents import read_json, write_json
from m2pt.runs.folder import RECORD, is_complete
from m2pt.runs.identity import RECIPE_VERSION, canonical, run_id
from m2pt.runs.record import read_record
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import Trial, with_trials
from pipelines.planning.folders import aside_of, place_of
from pipelines.planning.grid import Fingerprints, part_specs

JOURNAL = "search.json"


def read_trials(study: Study, prints: Fingerprints, folder: Path) -> list[Trial]:
    """The trials that the journal in `folder` names, as it tells of them; none where it tells of another search.

    Raises:
        UserError: the journal cannot be read.

    """
    if study.search is None:
        return []
    found = _entries(folder, search_id(study, prints))
    return [Trial(number, **entry) for number, entry in enumerate(found[: study.search.trials])]


def write_trials(study: Study, prints: Fingerprints, folder: Path, trials: Sequence[Trial]) -> None:
    """Write the journal, whole or not at all. Other searches, and trials beyond those declared now, are not forgotten."""
    path, search = folder / JOURNAL, search_id(study, prints)
    later = _entries(folder, search)[len(trials) :]
    if path.is_file() and (other := read_json(path).get("search")) != search:
        write_json(_kept(folder, str(other)), read_json(path))
    write_json(path, {"search": search, "trials": [*(_entry(trial) for trial in trials), *later]})


def _entries(folder: Path, search: str) -> list[dict[str, Any]]:
    """The trials of a search by its journal, whether that is the present one or lies aside; empty where there is none."""
    for path in (folder / JOURNAL, _kept(folder, search)):
        document: dict[str, Any] = read_json(path) if path.is_file() else {"search": None}
        try:
            if document["search"] == search:
                entries: list[dict[str, Any]] = document["trials"]
                return [entry for number, entry in enumerate(entries) if Trial(number, **entry)]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: is no journal of a search; delete it, and the search proposes its trials again.") from error
    return []


def _kept(folder: Path, search: str) -> Path:
    """Where the journal of a search lies while the study declares another one: beside the runs that are put aside."""
    return aside_of(folder) / f"search-{search}.json"


def _entry(trial: Trial) -> dict[str, Any]:
    entry: dict[str, Any] = {"values": dict(trial.values)}
    if trial.state == "failed":
        entry |= {"state": "failed", "reason": trial.reason, "refused": trial.refused}
    return entry


def search_id(study: Study, prints: Fingerprints) -> str:
    """Equal for two studies whose trials are the same: a hash of all that can change a proposal, its score or its failure.

    Encoders that are made here follow from the rest. More trials, more seeds or methods for the confirmation, another folder or
    name make no other search.
    """
    declared = study.model_dump(mode="json", exclude={"study", "execution", "parts"})
    for section, key in (("data", "root"), ("sweep", "seeds"), ("sweep", "methods"), ("search", "trials")):
        del declared[section][key]
    files = {name for name, source in study.encoders.items() if isinstance(source, FileSource)}
    weights = sorted([name, modality, sha256] for (name, modality), sha256 in prints.weights.items() if name in files)
    form = {"recipe_version": RECIPE_VERSION, "study": declared, "data": dict(prints.data), "weights": weights}
    return hashlib.sha256(canonical(form).encode()).hexdigest()[:16]


def with_results(study: Study, trials: Sequence[Trial], prints: Fingerprints, folder: Path) -> list[Trial]:
    """The trials as they stand by the records of their runs: complete where every run is, whatever the journal says.

    Raises:
        UserError: a record cannot be read, or has no validation score.

    """
    if not trials:
        return []
    parts = part_specs(with_trials(study, trials), prints)
    return [trial if trial.refused else _with_result(trial, parts[trial.name], folder) for trial in trials]


def _with_result(trial: Trial, specs: Sequence[RunSpec], folder: Path) -> Trial:
    places = [place_of(folder / run_id(spec)) for spec in specs if spec.ready]
    if len(places) < len(specs) or any(not is_complete(place) for place in places):
        return trial
    scores = [validation_score(place) for place in places]
    return replace(trial, state="complete", score=sum(scores) / len(scores), reason="")


def validation_score(run_dir: Path) -> float:
    """The validation score of a complete run; nothing else of its record is looked at.

    Raises:
        UserError: the record cannot be read, or has none.

    """
    score = read_record(run_dir).get("val_score")
    if score is None:
        raise UserError(
            f"{run_dir / RECORD}: has no validation score, and a search selects by nothing else; keep some of the training data "
            "apart (tasks.NAME.holdout)."
        )
    return float(score)

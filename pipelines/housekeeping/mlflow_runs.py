"""What can be removed of MLflow: runs that are deleted there, their rows and files, and files of runs that no database knows.

Publishing leaves deleted runs behind where a run was done again or a sweep has another outcome, and files without a run after
`mlflow.db` was lost. The rows go first, then the files: a run without its rows cannot be restored without its files.
"""

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from m2pt.config import UserError
from pipelines.housekeeping.databases import Statements, has_free_pages, is_database, reading, rewrite, would_free
from pipelines.housekeeping.garbage import Garbage, Kind, Listing, children, folders
from pipelines.housekeeping.sizes import Size, why_left
from pipelines.tracking.mlflow_store import Store, locate, outage, store_lock

_STUDY = "m2pt.study"
_OF_RUN, _OF_MODEL = re.compile(r"[0-9a-f]{32}"), re.compile(r"m-[0-9a-f]{32}")
_TABLES_OF_A_RUN = ("metrics", "latest_metrics", "params", "tags", "runs")
_DELETED = f"""
    SELECT runs.run_uuid, coalesce(runs.name, '') FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = '{_STUDY}'
    WHERE runs.lifecycle_stage = 'deleted'
    AND NOT EXISTS (SELECT 1 FROM model_versions WHERE model_versions.run_id = runs.run_uuid)
    ORDER BY runs.deleted_time, runs.run_uuid
"""
_REGISTERED = f"""
    SELECT count(DISTINCT runs.run_uuid) FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = '{_STUDY}'
    JOIN model_versions ON model_versions.run_id = runs.run_uuid WHERE runs.lifecycle_stage = 'deleted'
"""
_MODELS = "SELECT model_id, source_run_id FROM logged_models"


@dataclass(frozen=True)
class _Known:
    """What the database has: deleted runs of m2pt with their names, the models of these with their run, names of studies.

    `registered` counts the deleted runs that a version of MLflow's registry names; they are not among the others.
    """

    deleted: dict[str, str]
    models: dict[str, str]
    studies: tuple[str, ...]
    registered: int


def mlflow_runs(runs: Path = Path("runs")) -> Listing:
    """What can be removed from the store of this folder; one elsewhere is left alone, because others may use it."""
    listing = Listing()
    try:
        store = locate()
    except UserError as error:
        listing.left.append(str(error))
        return listing
    if store.database is None:
        server = urlsplit(store.uri).netloc.rpartition("@")[2] or "a server"
        listing.left.append(f"MLflow: runs are tracked at {server}; whoever runs it removes deleted runs with `mlflow gc`.")
        return listing
    if not store.database.is_relative_to(Path.cwd()):
        listing.left.append(f"{store.database}: stays: it is not in this folder.")
        return listing
    database = store.database.relative_to(Path.cwd())
    artifacts = database.with_name(store.artifacts.name if store.artifacts else "")
    listing.add_rest(Kind.MLFLOW, artifacts)
    if not database.is_file():
        if children(artifacts):
            why = f"{database}, which knows whose files these are, is missing; make it with `m2pt publish`"
            listing.left.append(f"{artifacts}: stays: {why}.")
        return listing
    if reason := why_left(database):
        listing.left.append(f"{database}: stays: {reason}.")
        return listing
    try:
        _add_runs(listing, store, database, artifacts, {path.name for path in folders(children(runs))})
    except (sqlite3.Error, OSError) as error:
        listing.left.append(str(outage(store, error)))
    return listing


def _add_runs(listing: Listing, store: Store, database: Path, artifacts: Path, studies: set[str]) -> None:
    known = _known(database)
    if known.registered:
        listing.left.append(
            f"{database}: {_runs(known.registered)} that MLflow's registry names stay; delete the versions first."
        )
    homes = folders(artifacts / name for name in sorted(studies | set(known.studies)) if _is_plain(name))
    # The folders first, then the databases: a run has its row before it has files.
    places = [path for home in homes for path in children(home) if _OF_RUN.fullmatch(path.name)]
    places += [path for home in homes for path in children(home / "models") if _OF_MODEL.fullmatch(path.name)]
    owned = _ids(database.parent)
    gone = set(known.deleted) | set(known.models)
    if gone or has_free_pages(database):
        size = Size(would_free(database, _rows(known)))
        words = f"the rows of {_runs(len(known.deleted))}" if gone else "space that rows no longer use"
        listing.garbage.append(Garbage(Kind.MLFLOW, str(database), words, size, partial(_remove_rows, store, known)))
    for path in places:
        if path.name in gone:
            words = f"files of the deleted run {known.deleted.get(path.name, path.name)}"
            listing.add_folder(Kind.MLFLOW, path, artifacts, words, _unknown(path.name, database.parent))
        elif path.name not in owned:
            listing.add_folder(Kind.MLFLOW, path, artifacts, "of no run", _unknown(path.name, database.parent))


def _unknown(name: str, folder: Path) -> Callable[[], None]:
    """Raises `UserError` if a database has a run or model now: its rows could not be removed, or a person restored it."""

    def check() -> None:
        if name in _ids(folder):
            raise UserError(f"{name}: the files of this run stay, because MLflow still has it; try again.")

    return check


def _known(database: Path) -> _Known:
    with reading(database) as connection:
        deleted = dict(connection.execute(_DELETED).fetchall())
        models = {model: run for model, run in _models(connection) if run in deleted}
        studies = connection.execute(
            f"SELECT name FROM experiments JOIN experiment_tags USING (experiment_id) WHERE key = '{_STUDY}'"
        )
        (registered,) = connection.execute(_REGISTERED).fetchone()
        return _Known(deleted, models, tuple(name for (name,) in studies), registered)


def _models(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    is_there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'logged_models'").fetchone()
    return connection.execute(_MODELS).fetchall() if is_there else []


def _ids(folder: Path) -> set[str]:
    """The runs and models, deleted or not, of every database of MLflow in a folder: they all keep their files in one place."""
    ids: set[str] = set()
    for path in (path for path in children(folder) if is_database(path)):
        with reading(path) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if {"runs", "experiments", "alembic_version"} <= tables:
                ids |= {run for (run,) in connection.execute("SELECT run_uuid FROM runs")}
                ids |= {model for model, _ in _models(connection)}
    return ids


def _rows(known: _Known) -> Statements:
    """The rows that MLflow removes with a run, for the size of the rest."""
    of_runs = [(f"DELETE FROM {table} WHERE run_uuid = ?", (run,)) for table in _TABLES_OF_A_RUN for run in known.deleted]
    return [*of_runs, *(("DELETE FROM logged_models WHERE model_id = ?", (model,)) for model in known.models)]


def _remove_rows(store: Store, known: _Known) -> None:
    """Let MLflow remove the runs for good, and make the file smaller. Raises `UserError` if the store cannot be used."""
    if store.database is None:
        return
    try:
        with store_lock(store):
            if known.deleted or known.models:
                _remove_for_good(store, known)
            rewrite(store.database)
    except sqlite3.Error as error:
        raise outage(store, error) from error


def _remove_for_good(store: Store, known: _Known) -> None:
    """Remove runs that are still deleted, and models of such, as `mlflow gc` does."""
    from pipelines.tracking.mlflow_client import FAULTS, tables_of  # takes seconds

    try:
        tables = tables_of(store)
        gone = set(tables._get_deleted_runs()) & set(known.deleted)
        for run in gone:
            tables._hard_delete_run(run)
        for model, run in known.models.items():
            if run in gone:
                tables._hard_delete_logged_model(model)
    except FAULTS as error:
        raise outage(store, error) from error


def _runs(count: int) -> str:
    return "1 deleted run" if count == 1 else f"{count} deleted runs"


def _is_plain(name: str) -> bool:
    return Path(name).name == name and not name.startswith(".")

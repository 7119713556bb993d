"""Where MLflow keeps runs: the SQLite file of this project or a server; made once, locked, and checked before it is used."""

import http.client
import os
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from m2pt.config import UserError
from m2pt.files.access import way_to_write
from m2pt.files.locks import LockHeldError, locked
from pipelines.tracking.address import masked, without_password
from pipelines.tracking.experiment import project_folder
from pipelines.tracking.listening import require_database
from pipelines.tracking.tracker import OutageError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"

_DAMAGED = ("malformed", "not a database", "no such table", "no such column")
_SQLITE_REASONS = (
    *_DAMAGED,
    "database is locked",
    "database or disk is full",
    "readonly database",
    "unable to open database file",
)

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's database has addresses of files."""

_LOCK_LIMIT_S = 60.0
_BUSY_LIMIT_S = 5.0
_PROBE_LIMIT_S = 3.0


@dataclass(frozen=True)
class Store:
    """A place for tracked runs. `database` is its SQLite file, `artifacts` the folder for files; both are None for a server."""

    uri: str
    database: Path | None
    artifacts: Path | None
    lock_file: Path


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI` if it is set, else the SQLite file `mlflow.db` of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or database_uri(project_folder() / DATABASE)


def database_uri(path: Path) -> str:
    """The address of a SQLite file. A question mark would end it; if only a parent folder has one, the address is relative.

    Raises:
        UserError: the path has a question mark that this cannot avoid.

    """
    if "?" in str(path) and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if "?" in str(path):
        raise UserError(f"MLFLOW_TRACKING_URI: MLflow would end the path {str(path)!r} at its '?'; name a file without one.")
    return f"sqlite:///{path}"


def locate(uri: str | None = None) -> Store:
    """The store at a tracking URI (default: `tracking_uri()`).

    Raises:
        OutageError: runs cannot be tracked there.

    """
    uri = uri or tracking_uri()
    scheme, separator, rest = uri.partition("://")
    if scheme == "file" or not (separator or scheme == "databricks"):
        raise OutageError(
            f"MLFLOW_TRACKING_URI: {without_password(uri)!r} is a plain folder; give sqlite:///FILE or the address of a server."
        )
    if scheme != "sqlite":
        _require_readable(uri)
        local = None if scheme.startswith(("http", "databricks")) else project_folder() / ARTIFACTS
        return Store(uri, None, local, project_folder() / f"{DATABASE}.lock")
    database = project_folder() / rest.removeprefix("/")
    lock_file = database.with_name(f"{database.name}.lock")
    return Store(database_uri(database), database, database.parent / ARTIFACTS, lock_file)


def _require_readable(uri: str) -> None:
    """Refuse an address that programs read in different ways: one of them could show, or ask for, a piece of the password."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
        readable = "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    except ValueError:
        readable = False
    if not readable:
        raise OutageError(
            "MLFLOW_TRACKING_URI: is no address of a server; write what is special in a name or a password as %40 for @, %2F for "
            "/, %3A for :, %23 for #, %3F for ?, or give both as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def server_place() -> str | None:
    """The address of the tracking server, as it may be shown; None while runs are tracked in a file of this machine."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return without_password(uri) if uri.startswith(("http://", "https://")) else None


@contextmanager
def store_lock(store: Store) -> Iterator[None]:
    """Keep other processes of this machine from publishing at the same time.

    Raises:
        OutageError: another process keeps the lock for a minute, or the lock file cannot be made.

    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(store.lock_file, wait_s=_LOCK_LIMIT_S))
        except LockHeldError as error:
            raise OutageError(
                f"{store.lock_file}: is held by another process (pid {error.holder}); end that process and publish again."
            ) from error
        except UserError as error:
            raise OutageError(str(error)) from error
        yield


def ensure_database(store: Store, make_tables: Callable[[str], None]) -> None:
    """Make the SQLite file of a store if it is missing; call with the lock held.

    `make_tables` gets the URI of a new file. The file gets its name when it is complete: a kill leaves no half-made database.

    Raises:
        OutageError: the existing database is damaged, or none can be made.

    """
    path = store.database
    if path is None:
        return
    try:
        if path.is_file() and path.stat().st_size > 0:
            check_database(path)
            _follow_move(path, path.parent / ARTIFACTS)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f"{path.name}.new*"):
            leftover.unlink()
        new = path.with_name(f"{path.name}.new")
        make_tables(database_uri(new))
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            _make_default_experiment(connection, path.parent / ARTIFACTS)
        # The log of a database that was deleted would be replayed into the new one.
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        new.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise OutageError(f"{path}: cannot be made ({error}); {way_to_write(error)}.") from error


def _make_default_experiment(connection: sqlite3.Connection, artifacts: Path) -> None:
    """MLflow makes this row with a statement that a quote in the folder's name breaks."""
    now = round(time.time() * 1000)
    values = {"experiment_id": 0, "name": "Default", "artifact_location": (artifacts / "0").as_uri(), "lifecycle_stage": "active"}
    values |= {"creation_time": now, "last_update_time": now, "workspace": "default"}
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    with connection:
        connection.execute(f"INSERT OR IGNORE INTO experiments ({columns}) VALUES ({places})", values)


def _follow_move(database: Path, artifacts: Path) -> None:
    """Make a database that was moved or copied, with its folder of files beside it, look for these files where they are now.

    MLflow stores complete addresses. Nothing is changed while the files are not there; `Client` then says so.
    """
    if not artifacts.is_dir():
        return
    now = artifacts.as_uri()
    with closing(sqlite3.connect(database, timeout=_BUSY_LIMIT_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        locations = [place for (place,) in connection.execute("SELECT artifact_location FROM experiments") if place]
        before = {place.rpartition("/")[0] for place in locations if place.rpartition("/")[0].endswith(f"/{ARTIFACTS}")}
        with connection:
            for old in before - {now, now.removeprefix("file://")}:
                for table, column in ((table, column) for table, column in _ADDRESSES if table in tables):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (now, len(old) + 1, len(old) + 1, f"{old}/"),
                    )


def check_database(path: Path) -> None:
    """Check that a SQLite file can be opened and has MLflow's tables.

    Raises:
        OutageError: it is damaged, locked or not a tracking database.

    """
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_LIMIT_S)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            complete = {"alembic_version", "experiments", "runs", "metrics"} <= tables
            connection.execute("SELECT version_num FROM alembic_version").fetchall() if complete else None
    except sqlite3.OperationalError as error:
        raise OutageError(f"{path}: cannot be used ({error}); end the process that holds it, then publish again.") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path) from error
    if not complete:
        raise damaged(path)


def damaged(path: Path) -> OutageError:
    """The sentence for a tracking database that cannot be read."""
    return OutageError(
        f"{path}: is damaged or not a database of MLflow; delete it and publish again: every run is kept in its own folder."
    )


def check_server(store: Store) -> None:
    """Check that a tracking server answers, so that a dead one costs seconds instead of minutes of retries.

    Raises:
        OutageError: it does not answer.

    """
    parts = urlsplit(store.uri)
    if parts.scheme not in ("http", "https"):
        require_database(store.uri)
        return
    try:
        # Without name and password, which urllib would take for a part of the host's name; here none are asked for.
        urllib.request.urlopen(f"{without_password(store.uri).rstrip('/')}/health", timeout=_PROBE_LIMIT_S).close()
    except urllib.error.HTTPError:
        return  # something answers; the first real request reports what it refuses
    except (OSError, ValueError, http.client.HTTPException) as error:
        server = urlsplit(without_password(store.uri)).netloc
        fault = getattr(error, "reason", error)
        reason = " ".join(str(getattr(fault, "strerror", None) or fault).split())
        raise OutageError(f"MLFLOW_TRACKING_URI: {server} does not answer ({reason}); start it, then publish again.") from error


def outage(store: Store, error: Exception) -> OutageError:
    """One sentence for a fault of MLflow, the database or the system."""
    said = " ".join(masked(str(error), store.uri).split())
    if isinstance(error, ModuleNotFoundError):
        return OutageError(
            f"MLFLOW_TRACKING_URI: for {urlsplit(store.uri).scheme} the package {error.name} is missing; give the address of an "
            "MLflow server (https://...), which needs none, or install m2pt with its extra requirement `server`."
        )
    reason = next((reason for reason in _SQLITE_REASONS if reason in said), said[:300])
    if store.database is None:
        return _server_outage(store, said)
    if reason in _DAMAGED:
        return damaged(store.database)
    if "out-of-date database schema" in said:
        return OutageError(f"{store.database}: is from another version of MLflow; delete it and publish again.")
    return OutageError(f"{store.database}: runs cannot be published ({reason}); repair that, then publish again.")


def _server_outage(store: Store, said: str) -> OutageError:
    server = urlsplit(without_password(store.uri)).netloc
    if "error code 401" in said:
        return OutageError(
            f"MLFLOW_TRACKING_URI: {server} refuses the name or the password; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, then publish again."
        )
    if "error code 403" in said or "PERMISSION_DENIED" in said:
        return OutageError(
            f"MLFLOW_TRACKING_URI: {server} lets this user not write there; ask for the permission (MANAGE, for runs are also "
            "replaced), or use another name, then publish again."
        )
    if "not in a valid JSON format" in said or "error code 404" in said:
        return OutageError(f"MLFLOW_TRACKING_URI: {server} is no server of MLflow; correct the address, then publish again.")
    # What MLflow itself refuses comes with its own words; only the answer of something else has a body.
    if status := re.search(r"(?:error code|too many) (\d+) (?:!= \d+\. Response body|error responses)", said):
        return OutageError(
            f"MLFLOW_TRACKING_URI: {server} answered with an error ({status[1]}); correct the address, or repair the "
            "server, then publish again."
        )
    # It went away between two requests or in the middle of one; what copies files says so in words of its own.
    if any(words in said for words in ("failed with exception", "ConnectionPool(", "Connection aborted", "Read timed out")):
        return OutageError(f"MLFLOW_TRACKING_URI: {server} does not answer any more; start it, then publish again.")
    return OutageError(f"MLFLOW_TRACKING_URI: the tracking store refused a run ({said[:300]}); repair it, then publish again.")

"""Publish runs to MLflow: one experiment per study, a parent run per sweep, a child per run.

The folders of the runs are the truth; what stands in MLflow is a view of them. Publishing twice, after an outage, or into an
empty store gives the same runs with the same histories. A run is found again by its tag `m2pt.run_id`.

Two processes of one machine take turns by a file lock. On a server, which several machines may share, a run that turns out to
have been created twice is settled by all of them for the same one of the two.

This is the only file that imports MLflow, which is why it is a long one; what needs no MLflow lies in `published` (what of a run
is shown), `tracking_store` (where) and `tracking_live` (when).
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from alembic.config import Config
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as db
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from m2pt.config import UserError
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id as identify
from m2pt.runs.spec import Spec
from pipelines.tracking.live import LivePublishing
from pipelines.tracking.publication import (
    EPOCH,
    KIND,
    NO_TIME_MS,
    RUN_ID,
    DataInput,
    Publication,
    in_batches,
    points_up_to,
    read_publication,
    signature,
    state_of,
)
from pipelines.tracking.store import (
    OutageError,
    Store,
    check_server,
    ensure_database,
    locate,
    outage,
    store_lock,
    tracking_uri,
    ui_environment,
)

__all__ = ["WEIGHTS_LIMIT_BYTES", "Publisher", "study_page", "tracking_uri", "ui_command", "ui_environment"]

WEIGHTS_LIMIT_BYTES = 16 * 2**20
"""Weights above this size stay in the run's own folder."""

PARENT = "mlflow.parentRunId"
STUDY, SWEEP_ID, PUBLISHED = "m2pt.study", "m2pt.sweep_id", "m2pt.published"

_STATUS = {
    RunState.RUNNING: "RUNNING",
    RunState.COMPLETE: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.INTERRUPTED: "KILLED",
}
_PARAMS_PER_CALL = 100
_NOISY = ("mlflow.store.db.utils", "alembic", "urllib3.connectionpool")
_logger = logging.getLogger(__name__)


@dataclass
class _Tracked:
    """What the store already has of one run."""

    id: str
    status: str
    params: set[str]
    tags: dict[str, str]
    last_epoch: int
    has_data: bool

    @classmethod
    def of(cls, run: Run) -> Self:
        last = int(run.data.metrics.get(EPOCH, 0))
        has_data = bool(run.inputs and run.inputs.dataset_inputs)
        return cls(run.info.run_id, run.info.status, set(run.data.params), dict(run.data.tags), last, has_data)


class Publisher:
    """Publishes the runs of one sweep; nothing is contacted before the first run.

    `publish` raises `UserError` where the store cannot be used; the live methods tell it once through `warn` and go on.
    """

    def __init__(
        self,
        study_name: str,
        sweep_id: str,
        uri: str | None = None,
        *,
        weights_limit_bytes: int = WEIGHTS_LIMIT_BYTES,
        interval_s: float = 2.0,
        warn: Callable[[str], None] = _logger.warning,
    ) -> None:
        self._study = study_name
        self._sweep_id = sweep_id
        self._uri = uri
        self._weights_limit_bytes = weights_limit_bytes
        self._mutex = threading.RLock()
        self._session: _Session | None = None
        self._live = LivePublishing(self.publish, warn, interval_s)
        self._warn = warn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close("FINISHED" if error is None else "KILLED")

    def publish(self, spec: Spec, run_dir: Path, *, active: bool = False) -> None:
        """Bring what there is of one run into the store; `active` says that a job is at work on it.

        Raises:
            UserError: the store cannot be used, or the run's folder is damaged.

        """
        state = state_of(run_dir, active)
        if state == RunState.MISSING:
            return
        with self._connected() as session:
            tracked = session.runs.get(identify(spec))
            settled = tracked is not None and tracked.tags.get(PUBLISHED) == signature(run_dir, state)
            if not (settled and tracked and tracked.tags.get(PARENT) == session.parent.id):
                limit = self._weights_limit_bytes
                session.publish(read_publication(spec, run_dir, active=active, weights_limit_bytes=limit))

    def watch(self) -> Self:
        """Start the thread that publishes active runs while they go on."""
        self._live.start()
        return self

    def start_live(self, spec: Spec, run_dir: Path) -> None:
        """A job starts on this run: publish its epochs as they come."""
        self._live.add(spec, run_dir)

    def finish(self, spec: Spec, run_dir: Path) -> None:
        """The job on this run has ended, one way or the other: publish the run. Never raises for an outage."""
        self._live.finish(spec, run_dir)

    @property
    def pending(self) -> int:
        """How many finished runs could not be published yet."""
        return self._live.pending

    def summarise(self, complete: int, failed: int, scores: Mapping[str, float] | None = None) -> None:
        """Put the outcome of the sweep on its parent run: counts, and mean test scores by `<metric>/<method>`.

        Raises:
            UserError: the store cannot be used.

        """
        values = {"runs/complete": float(complete), "runs/failed": float(failed)}
        values |= {f"mean_test_{name}": float(score) for name, score in (scores or {}).items()}
        with self._connected() as session:
            session.summarise(values, "FAILED" if failed else "FINISHED")

    def publish_report(self, paths: Sequence[Path]) -> None:
        """Keep files of the report with the parent run, below `report/`.

        Raises:
            UserError: the store cannot be used, or a file cannot be read.

        """
        with self._connected() as session:
            for path in paths:
                session.client.log_artifact(session.parent.id, str(path), "report")

    def close(self, status: str = "FINISHED") -> None:
        """Publish what is left, end the parent run, and end the thread. Never raises for an outage."""
        self._live.close()
        if self._session is not None:
            try:
                with self._connected() as session:
                    session.close(status)
            except OutageError as error:
                self._warn(f"{error} The sweep stays open in MLflow until it is published again.")

    @contextmanager
    def _connected(self) -> Iterator["_Session"]:
        """The store, locked; every fault of it becomes an `OutageError`, after which the next use connects anew."""
        with self._mutex:
            store = locate(self._uri)
            try:
                with store_lock(store):
                    if self._session is None or not self._session.stands():
                        self._session = None
                        self._session = _Session(store, self._study, self._sweep_id)
                    yield self._session
            except OutageError:
                self._session = None
                raise
            except (MlflowException, SQLAlchemyError, OSError) as error:
                self._session = None
                raise outage(store, error) from error


class _Session:
    """A connection to the store with the experiment of one study, the parent run of one sweep, and the runs that are there."""

    def __init__(self, store: Store, study: str, sweep_id: str) -> None:
        for name in _NOISY:  # what they say is told in one sentence
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # MLflow would try for minutes before it gives up a server that went away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        self.store = store
        check_server(store)
        _open_database(store)
        self._file = store.database.stat().st_ino if store.database else None
        self.client = MlflowClient(store.uri)
        self._study = study
        self._sweep_id = sweep_id
        self._experiment = self._open_experiment()
        self._emptied: set[str] = set()
        found = list(self._search(""))
        self.runs = {run.data.tags[RUN_ID]: _Tracked.of(run) for run in found[::-1] if RUN_ID in run.data.tags}
        sweeps = [_Tracked.of(run) for run in found if run.data.tags.get(SWEEP_ID) == sweep_id and RUN_ID not in run.data.tags]
        self.parent = min(sweeps, key=lambda sweep: sweep.id) if sweeps else self._create_parent()
        self._summarised = False

    def stands(self) -> bool:
        """Whether the database is still the file that was opened."""
        path = self.store.database
        return path is None or (path.exists() and path.stat().st_ino == self._file)

    def publish(self, publication: Publication) -> None:
        """Add what is not there yet of one run."""
        tracked = self._find(publication)
        if tracked and self._contradicts(tracked, publication):
            self.client.delete_run(tracked.id)
            tracked = None
        if tracked is None:
            tracked = self._create(publication)
        tags = publication.tags | self._sweep_tags() | {PARENT: self.parent.id}
        changed = {key: value for key, value in tags.items() if tracked.tags.get(key) != value}
        if changed.get(PARENT) and PARENT in tracked.tags:
            self._emptied.add(tracked.tags[PARENT])
        for key in [key for key in ("error", "error_kind") if key in tracked.tags and key not in tags]:
            self.client.delete_tag(tracked.id, key)
            del tracked.tags[key]
        self._log(tracked, publication, changed)
        if not tracked.has_data:
            self.client.log_inputs(tracked.id, datasets=[_dataset(data) for data in publication.data])
            tracked.has_data = True
        for path in publication.files:
            self.client.log_artifact(tracked.id, str(path))
        self._settle_status(tracked, publication)

    def summarise(self, values: Mapping[str, float], status: str) -> None:
        """Put values on the parent run. One that already has others gives way to a new one: a point cannot be changed."""
        known = self.client.get_run(self.parent.id).data.metrics
        if known and known != values:
            self._emptied.add(self.parent.id)
            self.parent, old = self._create_parent(), self.parent
            for tracked in self.runs.values():
                if tracked.tags.get(PARENT) == old.id:
                    self.client.set_tag(tracked.id, PARENT, self.parent.id)
                    tracked.tags[PARENT] = self.parent.id
        if known != values:
            points = [Metric(key, value, NO_TIME_MS, 0) for key, value in values.items()]
            lines = [f"| {key} | {value:g} |" for key, value in values.items()]
            note = "\n".join(["| | |", "|---|---|", *lines])
            self.client.log_batch(self.parent.id, metrics=points, tags=[RunTag("mlflow.note.content", note)])
        self._end_parent(status)
        self._summarised = True

    def close(self, status: str) -> None:
        """End the parent run, and remove those that lost all their runs to it."""
        if not self._summarised:
            self._end_parent(status)
        for emptied in self._emptied - {self.parent.id}:
            if not any(self._search(f"tags.`{PARENT}` = '{emptied}'")):
                self.client.delete_run(emptied)
        self._emptied.clear()

    def _open_experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(self._study)
        # As an address: MLflow takes a path for one, and would lose what follows a '#', and read '%23' as one.
        location = (self.store.artifacts / self._study).as_uri() if self.store.artifacts else None
        if experiment is None:
            # The kind keeps the UI from guessing, and from hiding the charts of training runs.
            tags = {STUDY: self._study, "mlflow.experimentKind": "custom_model_development"}
            try:
                return self.client.create_experiment(self._study, location, tags)
            except MlflowException:  # another machine was faster
                experiment = self.client.get_experiment_by_name(self._study)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self.client.restore_experiment(experiment.experiment_id)
        # An older database has the path itself, which is as good where the address is no more than that.
        if self.store.database and location and experiment.artifact_location not in (location, location.removeprefix("file://")):
            raise OutageError(
                f"{self.store.database}: was made in another folder and keeps its files in {experiment.artifact_location}; "
                "delete it and publish again."
            )
        return str(experiment.experiment_id)

    def _search(self, query: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self.client.search_runs([self._experiment], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _sweep_tags(self) -> dict[str, str]:
        return {STUDY: self._study, SWEEP_ID: self._sweep_id, "mlflow.source.name": "m2pt", "mlflow.source.type": "PROJECT"}

    def _create_parent(self) -> _Tracked:
        tags = self._sweep_tags() | {KIND: "sweep"}
        return _Tracked.of(self.client.create_run(self._experiment, tags=tags, run_name=f"sweep {self._sweep_id}"))

    def _end_parent(self, status: str) -> None:
        self.client.set_terminated(self.parent.id, status)
        self.parent.status = status

    def _find(self, publication: Publication) -> _Tracked | None:
        """The run as it stands now; another process may have added to it since the last look."""
        known = self.runs.get(publication.run_id)
        if known and publication.state == RunState.RUNNING and known.status == "RUNNING":
            return known
        found = [self.client.get_run(known.id)] if known else self._of_run(publication.run_id)
        if found and found[0].info.lifecycle_stage == "active":
            self.runs[publication.run_id] = _Tracked.of(found[0])
            return self.runs[publication.run_id]
        return None

    def _of_run(self, run_id: str) -> list[Run]:
        return sorted(self._search(f"tags.`{RUN_ID}` = '{run_id}'"), key=lambda run: str(run.info.run_id))

    def _contradicts(self, tracked: _Tracked, publication: Publication) -> bool:
        """Whether points stand in the store that the run's folder no longer holds: they cannot be changed, only left behind.

        That is so when the run was done anew, or when epochs after its last checkpoint were done twice.
        """
        before = tracked.tags.get(PUBLISHED, "")
        if before.startswith("complete:") and before != publication.signature:
            return True
        if publication.state == RunState.RUNNING or tracked.last_epoch == 0:
            return False
        expected = points_up_to(publication, tracked.last_epoch)
        keys = expected if publication.resumed else [EPOCH]
        return any(self._history(tracked.id, key) != expected[key] for key in keys)

    def _history(self, mlflow_id: str, key: str) -> set[tuple[int, int, float]]:
        return {(point.step, point.timestamp, point.value) for point in self.client.get_metric_history(mlflow_id, key)}

    def _create(self, publication: Publication) -> _Tracked:
        tags = publication.tags | self._sweep_tags() | {PARENT: self.parent.id}
        started = publication.started_ms or round(time.time() * 1000)
        run = self.client.create_run(self._experiment, started, tags, publication.name)
        if self.store.database is None:
            run, *others = self._of_run(publication.run_id)
            for other in others:
                self.client.delete_run(other.info.run_id)
        self.runs[publication.run_id] = _Tracked.of(run)
        return self.runs[publication.run_id]

    def _log(self, tracked: _Tracked, publication: Publication, tags: Mapping[str, str]) -> None:
        """Parameters, tags and points, in as few calls as the store allows; an epoch is there whole or not at all."""
        params = [Param(key, value) for key, value in publication.params.items() if key not in tracked.params]
        epochs = [points for step, points in publication.epochs.items() if step > tracked.last_epoch]
        batches = list(in_batches([*epochs, publication.summary]))
        tag_list = [RunTag(key, value) for key, value in tags.items()]
        while params or batches or tag_list:
            metrics = [Metric(point.key, point.value, point.time_ms, point.step) for point in (batches.pop(0) if batches else [])]
            self.client.log_batch(tracked.id, metrics=metrics, params=params[:_PARAMS_PER_CALL], tags=tag_list)
            params, tag_list = params[_PARAMS_PER_CALL:], []
        tracked.tags |= tags
        tracked.params |= set(publication.params)
        tracked.last_epoch = max([tracked.last_epoch, *publication.epochs])

    def _settle_status(self, tracked: _Tracked, publication: Publication) -> None:
        status = _STATUS[publication.state]
        if publication.state == RunState.RUNNING:
            if tracked.status != status:
                self.client.update_run(tracked.id, status=status)
        else:
            self.client.set_terminated(tracked.id, status, publication.ended_ms)
            self.client.set_tag(tracked.id, PUBLISHED, publication.signature)  # last: all of it is there
            tracked.tags[PUBLISHED] = publication.signature
        tracked.status = status


def _dataset(data: DataInput) -> DatasetInput:
    source = json.dumps({"uri": data.source})
    dataset = Dataset(name=data.name, digest=data.digest, source_type="local", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", data.context)])


def _open_database(store: Store) -> None:
    """Make the store's own database where it is missing, after closing what this process may still hold of a deleted one."""
    engine = SqlAlchemyStore._engine_map.get(store.uri)
    if engine is not None:
        engine.dispose()
    ensure_database(store, _make_tables)


def _installed() -> Path:
    """The folder of the package MLflow."""
    found: Callable[[], str] = db._get_package_dir
    return Path(found())


def _migrations(db_url: str, alembic_dir: str | None = None) -> Config:
    """MLflow's settings of Alembic, with the percent signs of its own folder masked, as it masks those of the URL alone."""
    folder = Path(alembic_dir) if alembic_dir else _installed() / "store" / "db_migrations"
    config = Config(str(folder / "alembic.ini"))
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", db_url.replace("%", "%%"))
    return config


db._get_alembic_config = _migrations


def _make_tables(uri: str) -> None:
    engine = create_engine(uri)
    make: Callable[[Engine], None] = db._initialize_tables
    try:
        make(engine)
    finally:
        engine.dispose()


def ui_command(host: str, port: int) -> list[str]:
    """The command of the MLflow server with its UI over the project's own store; run it with `ui_environment()`.

    Raises:
        UserError: the store is a server, which has a UI of its own, or the database cannot be used.

    """
    store = locate()
    if store.artifacts is None:
        raise UserError(f"MLFLOW_TRACKING_URI: runs are tracked on the server {store.uri}, which shows them itself; open it.")
    if "%" in (folder := str(_installed())):
        raise UserError(
            f"{folder}: MLflow cannot serve pages where a folder's name has a percent sign; move the project to show them."
        )
    with store_lock(store):
        _open_database(store)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri]
    return [*command, "--default-artifact-root", store.artifacts.as_uri(), "--host", host, "--port", str(port), "--workers", "1"]


def study_page(study: str, address: str) -> str:
    """The page of a study's runs in the UI at `address` (scheme, host, port), or the UI's front page where none is tracked yet.

    Raises:
        UserError: the store cannot be used.

    """
    store = locate()
    try:
        check_server(store)
        with store_lock(store):
            _open_database(store)
        experiment = MlflowClient(store.uri).get_experiment_by_name(study)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise outage(store, error) from error
    # Without the last part MLflow shows its pages for language models.
    return f"{address}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning" if experiment else address

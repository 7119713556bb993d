"""The calls to MLflow's store, with plain data in and out."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic.config import Config
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db import utils as db
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from pipelines.tracking.batches import Waiting, in_batches
from pipelines.tracking.metrics import EPOCH
from pipelines.tracking.mlflow_columns import VIEW_TAG, saved_view
from pipelines.tracking.mlflow_model import MODEL, describe
from pipelines.tracking.mlflow_store import Store, check_server, ensure_database
from pipelines.tracking.prompt import take_answers_at_once
from pipelines.tracking.publication import DataInput
from pipelines.tracking.served_model import ServedModel
from pipelines.tracking.stored_run import StoredRun
from pipelines.tracking.tracker import OutageError

FAULTS = (MlflowException, SQLAlchemyError, OSError, ModuleNotFoundError)
"""What the calls raise when the store cannot be used."""

STUDY = "m2pt.study"
NOTE = "mlflow.note.content"

PAGES = "?workflowType=machine_learning"
"""The end of an address in MLflow's pages; without it they show what is for language models."""

_PARAMS_PER_CALL = 100
_RUNS_PER_PAGE = 100
"""A run of many layers has some 20 kB there, and a server or its proxy may end what takes more than 30 s."""

_DIGEST_LIMIT = 36
_NOISY = ("mlflow.store.db.utils", "alembic", "urllib3.connectionpool")


class Client:
    """A connection to the experiment of one study; any method may raise one of `FAULTS`.

    Raises:
        OutageError: the store cannot be used, or keeps its files in another folder.

    """

    def __init__(self, store: Store, study: str) -> None:
        # MLflow would try for minutes before it gives up a server that went away, or takes requests and never answers.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        take_answers_at_once()
        self.store = store
        check_server(store)
        open_database(store)
        self._file = store.database.stat().st_ino if store.database else None
        self._client = MlflowClient(store.uri)
        self._experiment = self._open_experiment(study)

    def is_current(self) -> bool:
        """Whether the database is still the file that was opened."""
        path = self.store.database
        return path is None or (path.exists() and path.stat().st_ino == self._file)

    def _open_experiment(self, study: str) -> str:
        experiment = self._client.get_experiment_by_name(study)
        # As an address: MLflow takes a path for one, and would lose what follows a '#', and read '%23' as one.
        location = (self.store.artifacts / study).as_uri() if self.store.artifacts else None
        if experiment is None:
            # The kind keeps the UI from guessing, and from hiding the charts of training runs.
            tags = {STUDY: study, "mlflow.experimentKind": "custom_model_development"}
            try:
                return self._client.create_experiment(study, location, tags)
            except MlflowException:  # another machine was faster
                experiment = self._client.get_experiment_by_name(study)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        # An older database has the path itself, which is as good if its address only adds the scheme.
        if self.store.database and location and experiment.artifact_location not in (location, location.removeprefix("file://")):
            raise OutageError(
                f"{self.store.database}: was made in another folder and keeps its files in {experiment.artifact_location}; move "
                f"them to {self.store.artifacts}, or delete the database and publish again."
            )
        return str(experiment.experiment_id)

    def runs(self, query: str = "") -> list[StoredRun]:
        """The runs of the experiment that are not deleted, in the order of MLflow's ids, which is the same for everybody."""
        return sorted((_stored(run) for run in self._search(query)), key=lambda run: run.id)

    def _search(self, query: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs([self._experiment], query, max_results=_RUNS_PER_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def run(self, mlflow_id: str) -> StoredRun:
        """One run as it is now, deleted or not."""
        return _stored(self._client.get_run(mlflow_id))

    def history(self, mlflow_id: str, key: str) -> set[tuple[int, int, float]]:
        """The points of one metric: step, time in milliseconds, value."""
        return {(point.step, point.timestamp, point.value) for point in self._client.get_metric_history(mlflow_id, key)}

    def create(self, name: str, tags: Mapping[str, str], started_ms: int | None = None) -> StoredRun:
        """Make a run, which is then running."""
        return _stored(self._client.create_run(self._experiment, started_ms, dict(tags), name))

    def log(self, mlflow_id: str, new: Waiting) -> None:
        """Add to a run, in as few calls as MLflow allows; a group of points comes completely or not at all."""
        params = [Param(key, value) for key, value in new.params.items()]
        tags = [RunTag(key, value) for key, value in new.tags.items()]
        batches = list(in_batches(new.groups))
        while params or tags or batches:
            points = [Metric(point.key, point.value, point.time_ms, point.step) for point in (batches.pop(0) if batches else [])]
            self._client.log_batch(mlflow_id, metrics=points, params=params[:_PARAMS_PER_CALL], tags=tags)
            params, tags = params[_PARAMS_PER_CALL:], []

    def log_data(self, mlflow_id: str, data: Sequence[DataInput]) -> None:
        """Say which data sets a run reads."""
        inputs = []
        for item in data:
            source = json.dumps({"uri": item.source})
            dataset = Dataset(name=item.name, digest=item.digest[:_DIGEST_LIMIT], source_type="local", source=source)
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", item.context)]))
        self._client.log_inputs(mlflow_id, datasets=inputs)

    def log_files(self, stored: StoredRun, paths: Sequence[Path], model: ServedModel | None = None) -> None:
        """Keep copies of files with a run, and a model in the form that `mlflow.pyfunc.load_model` reads.

        MLflow's client would ask the server for each run where its files go, which the run itself says.
        """
        if not paths and model is None:
            return
        with TemporaryDirectory() as place:
            folder = Path(place)
            _link(paths, folder)
            if model is not None:
                data = model.files[0].parent.name  # a record bears the name of its folder
                _link(model.files, folder / MODEL / data)
                describe(folder / MODEL, model, data, stored.id)
            with_profile: Callable[[str, str], str] = add_databricks_profile_info_to_artifact_uri
            files: Any = get_artifact_repository(with_profile(stored.artifact_uri, self.store.uri), tracking_uri=self.store.uri)
            files.log_artifacts(str(folder))

    def log_file(self, mlflow_id: str, path: Path, folder: str | None = None) -> None:
        """Keep a copy of a file with a run."""
        self._client.log_artifact(mlflow_id, str(path), folder)

    def page_of(self, mlflow_id: str) -> str:
        """The address of a run within MLflow's pages."""
        return f"#/experiments/{self._experiment}/runs/{mlflow_id}"

    def description(self) -> str:
        """What the study's page says about it."""
        return str(self._client.get_experiment(self._experiment).tags.get(NOTE, ""))

    def describe(self, words: str) -> None:
        """Have the study's page say something about it, in Markdown."""
        self._client.set_experiment_tag(self._experiment, NOTE, words)

    def offer_view(self) -> None:
        """Have the study's page offer the columns that answer."""
        if self._client.get_experiment(self._experiment).tags.get(VIEW_TAG) != (view := saved_view()):
            self._client.set_experiment_tag(self._experiment, VIEW_TAG, view)

    def set_tag(self, mlflow_id: str, key: str, value: str) -> None:
        """Set one tag."""
        self._client.set_tag(mlflow_id, key, value)

    def delete_tag(self, mlflow_id: str, key: str) -> None:
        """Remove one tag."""
        self._client.delete_tag(mlflow_id, key)

    def set_status(self, mlflow_id: str, status: str, ended_ms: int | None = None) -> None:
        """Set the status of a run; one that is no longer `RUNNING` ended at `ended_ms`, by default now."""
        if status == "RUNNING":
            self._client.update_run(mlflow_id, status=status)
        else:
            self._client.set_terminated(mlflow_id, status, ended_ms)

    def delete(self, mlflow_id: str) -> None:
        """Delete a run, as MLflow does: it is hidden, and can be restored."""
        self._client.delete_run(mlflow_id)


def _stored(run: Run) -> StoredRun:
    """From MLflow's own type."""
    return StoredRun(
        id=run.info.run_id,
        artifact_uri=run.info.artifact_uri,
        status=run.info.status,
        started_ms=run.info.start_time,
        ended_ms=run.info.end_time,
        active=run.info.lifecycle_stage == "active",
        params=set(run.data.params),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
        last_epoch=int(run.data.metrics.get(EPOCH, 0)),
        has_data=bool(run.inputs and run.inputs.dataset_inputs),
    )


def _link(paths: Sequence[Path], folder: Path) -> None:
    """Have a folder with these files, without a copy of them: MLflow makes its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        (folder / path.name).symlink_to(path.resolve())


def experiment_id(store: Store, study: str) -> str | None:
    """MLflow's id of a study's experiment, None when nothing of the study is tracked. Raises `OutageError` and `FAULTS`."""
    check_server(store)
    open_database(store)
    experiment = MlflowClient(store.uri).get_experiment_by_name(study)
    return None if experiment is None else str(experiment.experiment_id)


def open_database(store: Store) -> None:
    """Make the store's own database if it is missing, after closing what this process may still hold of a deleted one."""
    for name in _NOISY:  # one sentence of ours says what they would say
        logging.getLogger(name).setLevel(logging.CRITICAL)
    engine = SqlAlchemyStore._engine_map.get(store.uri)
    if engine is not None:
        engine.dispose()
    ensure_database(store, make_tables)


def tables_of(store: Store) -> Any:
    """MLflow's own access to the tables of a store, for what its client cannot do."""
    open_database(store)
    opened: Callable[[str, str], Any] = SqlAlchemyStore
    return opened(store.uri, store.artifacts.as_uri() if store.artifacts else "")


def installation() -> Path:
    """The folder of the package MLflow."""
    folder: Callable[[], str] = db._get_package_dir
    return Path(folder())


def _migrations(db_url: str, alembic_dir: str | None = None) -> Config:
    """MLflow's settings of Alembic, with the percent signs of its own folder masked; MLflow masks only those of the URL."""
    folder = Path(alembic_dir) if alembic_dir else installation() / "store" / "db_migrations"
    config = Config(str(folder / "alembic.ini"))
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", db_url.replace("%", "%%"))
    return config


db._get_alembic_config = _migrations


def make_tables(uri: str) -> None:
    """Make the tables of an empty database."""
    engine = create_engine(uri)
    make: Callable[[Engine], None] = db._initialize_tables
    try:
        make(engine)
    finally:
        engine.dispose()

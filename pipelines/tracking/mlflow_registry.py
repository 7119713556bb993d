"""MLflow's model registry: the best run of each target as a version of a registered model, under an alias."""

from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from m2pt.config import UserError
from pipelines.tracking.best import Best
from pipelines.tracking.mlflow_client import FAULTS, Client
from pipelines.tracking.mlflow_model import MODEL
from pipelines.tracking.mlflow_store import locate, outage, store_lock
from pipelines.tracking.stored_run import StoredRun
from pipelines.tracking.tags import RUN_ID

ALIAS = "best"


def register(study: str, chosen: Sequence[Best]) -> list[str]:
    """Have the alias of each model name the version of its best run, made if it is missing; a sentence for each.

    The runs must be published. A version of the same published run is used again, so that repeating this changes nothing.

    Raises:
        UserError: a run is not published.
        OutageError: the store cannot be used.

    """
    store = locate()
    try:
        with store_lock(store):
            runs = Client(store, study)
            registry = MlflowClient(store.uri, store.uri)
            return [_registered(registry, item, _published(runs, item)) for item in chosen]
    except UserError:
        raise
    except FAULTS as error:
        raise outage(store, error) from error


def _published(runs: Client, item: Best) -> StoredRun:
    stored = runs.runs(f"tags.`{RUN_ID}` = '{item.run_id}'")
    if not stored:
        raise UserError(
            f"{item.run_id}: is not published, so its model cannot be registered; run `m2pt publish --register` again."
        )
    return stored[0]


def _registered(registry: MlflowClient, item: Best, run: StoredRun) -> str:
    versions = {version.run_id: version for version in _versions(registry, item.name)}
    version = versions.get(run.id)
    if version is None:
        tags = {RUN_ID: item.run_id}
        place = f"{run.artifact_uri}/{MODEL}"
        version = registry.create_model_version(item.name, place, run.id, tags, description=item.words, await_creation_for=0)
    elif version.description != item.words:
        registry.update_model_version(item.name, version.version, item.words)
    before = registry.get_registered_model(item.name).aliases.get(ALIAS)
    if str(before) != str(version.version):
        registry.set_registered_model_alias(item.name, ALIAS, version.version)
    return f"{item.name}: version {version.version} is {item.run_id} (alias {ALIAS})."


def _versions(registry: MlflowClient, name: str) -> list[ModelVersion]:
    """The versions of a registered model, oldest first; it is made if it is missing."""
    try:
        registry.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        registry.create_registered_model(name, description=f"The best run of a target of a study of m2pt, as `{ALIAS}`.")
    versions: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = registry.search_model_versions(f"name = '{name}'", page_token=token)
        versions += page
        token = page.token
        if not token:
            return sorted(versions, key=lambda version: int(version.version))

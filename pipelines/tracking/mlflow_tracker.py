"""MLflow as a tracker: where it is, and the sweep that is open there."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.tracking.address import without_password
from pipelines.tracking.mlflow_client import FAULTS
from pipelines.tracking.mlflow_store import locate, outage, store_lock, tracking_uri
from pipelines.tracking.mlflow_sweep import MlflowSweep
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import OutageError


class MlflowTracker:
    """Shows the runs of one sweep in MLflow, at `uri` or wherever `tracking_uri` says."""

    def __init__(self, sweep: Sweep, uri: str | None = None) -> None:
        self._of = sweep
        self._uri = uri
        self._sweep: MlflowSweep | None = None

    @property
    def place(self) -> str:
        """The address of the store, without a password."""
        return without_password(self._uri or tracking_uri())

    @contextmanager
    def open(self) -> Iterator[MlflowSweep]:
        """The sweep, with the store locked. After an outage the next use connects again.

        Raises:
            OutageError: the store cannot be used.

        """
        store = locate(self._uri)
        try:
            with store_lock(store):
                if self._sweep is None or not self._sweep.is_current():
                    self._sweep = None
                    self._sweep = MlflowSweep(store, self._of)
                yield self._sweep
        except OutageError:
            self._sweep = None
            raise
        except FAULTS as error:
            self._sweep = None
            raise outage(store, error) from error

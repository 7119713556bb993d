"""Runs in MLflow: one experiment per study, a parent run per sweep, a child per run.

A run is recognised by its tag `m2pt.run_id`. It is there in full when its status says that it has ended, which is sent last.
Processes of one machine take turns by a file lock. A server, which several machines may share, takes several runs at a time; a
run may be made twice there, and all machines then keep the same one of the two.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from threading import Lock

from m2pt.runs.folder import RunState
from pipelines.tracking.batches import Waiting, points_up_to
from pipelines.tracking.metrics import EPOCH, NO_TIME_MS, Point
from pipelines.tracking.mlflow_client import NOTE, PAGES, STUDY, Client
from pipelines.tracking.mlflow_store import Store
from pipelines.tracking.publication import Publication
from pipelines.tracking.stored_run import StoredRun
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tags import ERROR, ERROR_KIND, GIT_COMMIT, KIND, RUN_ID, STATUS
from pipelines.tracking.tracker import SweepEnd

PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"
SWEEP_ID, CHANGES, PUBLISHED, EXPERIMENT = "m2pt.sweep_id", "m2pt.changes", "m2pt.published", "m2pt.dvc_experiment"

_STATUS = {
    RunState.RUNNING: "RUNNING",
    RunState.COMPLETE: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.INTERRUPTED: "KILLED",
}
_NOT_IN_NAMES = re.compile(r"[^\w./ -]", re.ASCII)
"""What MLflow takes in no name of a parameter; `mae+labels` becomes `mae:labels`, which no name of a study file can be."""

_AT_A_TIME = 4
"""Runs on their way to a server at a time: as many as a server of MLflow has processes for requests, unless told otherwise."""

_NAME_LIMIT = 250
_TAG_LIMIT = 5000
"""The longest tag that every store of MLflow takes; the plan and the report have the complete text."""


class MlflowSweep:
    """The runs of a study in a store, and the parent run of one sweep."""

    def __init__(self, store: Store, sweep: Sweep) -> None:
        self._client = Client(store, sweep.study)
        self._shared = store.database is None
        self._sweep = sweep
        self._sweep_tags = {
            STUDY: sweep.study,
            SWEEP_ID: sweep.id,
            "mlflow.source.name": "m2pt",
            "mlflow.source.type": "PROJECT",
        }
        if sweep.changes:
            self._sweep_tags[CHANGES] = "; ".join(sweep.changes)
        self._emptied: set[str] = set()
        self._waiting: dict[str, Waiting] = {}
        self._one_at_a_time = Lock()
        self._grew = self._made = False
        self._runs: dict[str, StoredRun] = {}
        stored = self._look()
        sweeps = [run for run in stored if run.tags.get(SWEEP_ID) == sweep.id and RUN_ID not in run.tags]
        # Published again from the project, a sweep stays that of the experiment that did it.
        experiment = sweep.experiment or (sweeps[0].tags.get(EXPERIMENT, "") if sweeps else "")
        self._title = sweep.title[:_NAME_LIMIT]
        if experiment:
            self._sweep_tags[EXPERIMENT] = experiment
            self._title = f"{experiment}: {sweep.title}"[:_NAME_LIMIT]
        self._parent = sweeps[0] if sweeps else self._create_parent()
        if self._parent.tags.get(NAME) != self._title:  # another version of m2pt named it
            self._client.set_tag(self._parent.id, NAME, self._title)
        self._tell_settings()
        self._client.offer_view()

    @property
    def at_a_time(self) -> int:
        """A server takes several; a file has one writer at a time."""
        return _AT_A_TIME if self._shared else 1

    def is_current(self) -> bool:
        """Whether the store is still the one that was opened."""
        return self._client.is_current()

    def _look(self) -> list[StoredRun]:
        """All that the store has of the study; of a run that is there twice, one that is there in full stays, or the first."""
        stored, self._made = self._client.runs(), False
        doubles = []
        self._runs.clear()
        for run in sorted((run for run in stored if RUN_ID in run.tags), key=lambda run: not _in_full(run)):
            if self._runs.setdefault(run.tags[RUN_ID], run) is not run:
                doubles.append(run)
        for run in doubles if self._shared else ():
            self._client.delete(run.id)
        return stored

    def shown(self, run_id: str) -> str | None:
        """The signature of a run that is there in full, below this sweep."""
        stored = self._runs.get(run_id)
        shown = stored is not None and _in_full(stored) and stored.tags.get(PARENT) == self._parent.id
        return stored.tags[PUBLISHED] if stored and shown else None

    def run_started(self, run: Publication) -> int:
        """Make the run or find it, with its parameters, tags and data sets; returns its last epoch."""
        self._grew = True
        tags = self._tags(run)
        stored = self._find(run) or self._create(run, tags)
        if self._contradicts(stored, run):
            self._client.delete(stored.id)
            stored = self._create(run, tags)
        if (before := stored.tags.get(PARENT, self._parent.id)) != self._parent.id:
            self._emptied.add(before)
        for key in [key for key in (ERROR, ERROR_KIND) if key in stored.tags and key not in tags]:
            self._client.delete_tag(stored.id, key)
            del stored.tags[key]
        params = {key: value for key, value in run.params.items() if key not in stored.params}
        changed = {key: value for key, value in tags.items() if stored.tags.get(key) != value}
        self._waiting[run.run_id] = Waiting(params, changed)
        stored.params |= set(params)
        stored.tags |= changed
        if not stored.has_data:
            with self._one_at_a_time:  # a server fails where two requests bring the same new data set
                self._client.log_data(stored.id, run.data)
            stored.has_data = True
        if run.state == RunState.RUNNING:
            self._send(stored, run)
            self._set_status(stored, _STATUS[run.state])
        return stored.last_epoch

    def epochs(self, run: Publication, epochs: Sequence[Sequence[Point]]) -> None:
        """Add epochs, oldest first."""
        stored = self._runs[run.run_id]
        self._waiting[run.run_id].groups += epochs
        stored.last_epoch = epochs[-1][-1].step
        if run.state == RunState.RUNNING:
            self._send(stored, run)

    def run_ended(self, run: Publication) -> None:
        """Add the summary, the signature and the files; last the state, which says that all of it is there."""
        stored, waiting = self._runs[run.run_id], self._waiting[run.run_id]
        if _knows_more(stored, run):
            self._send(stored, run)
            return
        self._set_status(stored, "RUNNING")
        last = {PUBLISHED: run.signature}
        if run.told and NOTE not in stored.tags:  # a note of the user's stays
            last[NOTE] = run.told
        waiting.groups.append(run.summary)
        waiting.tags |= last
        self._send(stored, run)
        stored.tags |= last
        self._client.log_files(stored, run.files, run.model)
        self._set_status(stored, _STATUS[run.state], run.ended_ms)

    def _send(self, stored: StoredRun, run: Publication) -> None:
        """Send what a run is to get; one that has ended gets it at once, because each call costs a server some 20 ms."""
        self._client.log(stored.id, self._waiting[run.run_id])
        self._waiting[run.run_id] = Waiting()

    def left(self, run_id: str) -> None:
        """End a run that the store has as running."""
        stored = self._runs.get(run_id)
        if stored is not None and stored.active and stored.status == "RUNNING":
            self._client.set_tag(stored.id, STATUS, RunState.INTERRUPTED)
            self._client.set_status(stored.id, _STATUS[RunState.INTERRUPTED])
            stored.tags[STATUS], stored.status = RunState.INTERRUPTED, _STATUS[RunState.INTERRUPTED]

    def close(self, end: SweepEnd) -> None:
        """Put the outcome on the parent run, and delete sweeps that lost all their runs to it.

        A sweep that had ended, and to whose runs nothing was added, keeps its time: another report of it is no part of it.
        """
        if self._shared and self._made:
            self._look()
        ended_ms = None if self._grew else self._parent.ended_ms
        if end.values:
            self._summarise(end.values)
        self._client.set_status(self._parent.id, _STATUS[end.state], ended_ms)  # what follows may take seconds
        self._grew = False
        for place, path in end.report.items():
            self._client.log_file(self._parent.id, path, str(PurePosixPath("report", place).parent))
        self._describe(end)
        for emptied in self._emptied - {self._parent.id}:
            if not self._client.runs(f"tags.`{PARENT}` = '{emptied}'"):
                self._client.delete(emptied)
        self._emptied.clear()

    def _summarise(self, values: Mapping[str, float]) -> None:
        """Put values on the parent run, which MLflow lists in the order in which they came.

        A parent run that has others gives way to a new one, because a point cannot be changed.
        """
        known = self._client.run(self._parent.id).metrics
        if known == values:
            return
        if known:
            old, self._parent = self._parent, self._create_parent(self._parent.started_ms)
            self._tell_settings()
            self._emptied.add(old.id)
            for stored in self._runs.values():
                if stored.tags.get(PARENT) == old.id:
                    self._client.set_tag(stored.id, PARENT, self._parent.id)
                    stored.tags[PARENT] = self._parent.id
        points = [Point(key, value, 0, NO_TIME_MS) for key, value in sorted(values.items())]
        self._client.log(self._parent.id, Waiting(groups=[points]))

    def _describe(self, end: SweepEnd) -> None:
        """Say what the report says first, and where it is, on the page of the sweep; on that of the study if it is as declared.

        The study's page keeps what the study as declared says, and shows that of a variation only while there is nothing else.
        """
        if not end.sentences:
            return
        answer, *others = end.sentences
        page = f"[The report]({self._client.page_of(self._parent.id)}/artifacts/report/index.html{PAGES})"
        words = "\n\n".join((f"{answer} {page}", *others, self._title))[:_TAG_LIMIT]
        self._client.set_tag(self._parent.id, NOTE, words)
        if not self._sweep.changes or not self._client.description():
            self._client.describe(words)

    def _tell_settings(self) -> None:
        """Put the settings of the sweep on its run."""
        named = {_NOT_IN_NAMES.sub(":", key): value[:_TAG_LIMIT] for key, value in self._sweep.params.items()}
        params = {key: value for key, value in named.items() if key not in self._parent.params}
        self._client.log(self._parent.id, Waiting(params))
        self._parent.params |= set(params)

    def _create_parent(self, started_ms: int | None = None) -> StoredRun:
        return self._client.create(self._title, self._sweep_tags | {KIND: "sweep"}, started_ms)

    def _tags(self, run: Publication) -> dict[str, str]:
        tags = run.tags | self._sweep_tags | {PARENT: self._parent.id}
        if GIT_COMMIT in tags:
            tags["mlflow.source.git.commit"] = tags[GIT_COMMIT]
        return {key: value[:_TAG_LIMIT] for key, value in tags.items()}

    def _find(self, run: Publication) -> StoredRun | None:
        """The run as it is now; others may have added to it. What they made on a server meanwhile is seen by `_look`."""
        known = self._runs.get(run.run_id)
        if known and run.state == RunState.RUNNING and known.status == "RUNNING":
            return known
        stored = [self._client.run(known.id)] if known else [] if self._shared else self._of_run(run.run_id)
        if not stored or not stored[0].active:
            return None
        self._runs[run.run_id] = stored[0]
        return stored[0]

    def _of_run(self, run_id: str) -> list[StoredRun]:
        return self._client.runs(f"tags.`{RUN_ID}` = '{run_id}'")

    def _create(self, run: Publication, tags: Mapping[str, str]) -> StoredRun:
        self._made = True
        stored = self._client.create(run.name, tags, run.started_ms or round(time.time() * 1000))
        self._runs[run.run_id] = stored
        return stored

    def _contradicts(self, stored: StoredRun, run: Publication) -> bool:
        """Whether the store has points that the run's folder no longer holds. They cannot be changed, only left behind.

        This happens when the run was done again from the start, when epochs after its last checkpoint were done twice, or when
        another version of m2pt named its metrics otherwise.
        """
        if _knows_more(stored, run):
            return False
        before = stored.tags.get(PUBLISHED, "")
        if before.startswith("complete:") and before != run.signature:
            return True
        if run.state == RunState.RUNNING or stored.last_epoch == 0:
            return False
        expected = points_up_to(run, stored.last_epoch)
        keys = expected if run.resumed else [min(expected), EPOCH]
        return any(self._client.history(stored.id, key) != expected[key] for key in keys)

    def _set_status(self, stored: StoredRun, status: str, ended_ms: int | None = None) -> None:
        if status != "RUNNING" or stored.status != status:
            self._client.set_status(stored.id, status, ended_ms)
        stored.status = status


def _in_full(stored: StoredRun) -> bool:
    return stored.status != "RUNNING" and PUBLISHED in stored.tags


def _knows_more(stored: StoredRun, run: Publication) -> bool:
    """Whether the store has all of a run, with times that its folder lacks, as in the copies that DVC makes for experiments."""
    return not run.is_dated and _in_full(stored) and stored.tags[PUBLISHED] == run.signature

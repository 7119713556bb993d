"""What publishing asks of MLflow's own server, which takes the files of runs too."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from benchmarks.many_runs import server
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.tracking.publisher import RunOnDisk
from tests.pipelines import synthetic
from tests.pipelines.tracking.mlflow_view import new_client, new_publisher, publish, run_of, runs_of_study, view_of_study

pytestmark = pytest.mark.patient


@pytest.fixture(autouse=True)
def _served(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # as `m2pt` sets it
    with server(project):
        yield


def _whole_runs(project: Path, count: int) -> list[tuple[Spec, Path]]:
    return [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(count)]


@contextmanager
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], list[int]]]:
    """The requests that are sent, and how many were under way when each began."""
    sent: list[str] = []
    under_way: set[int] = set()
    at_once: list[int] = []
    send = HTTPAdapter.send

    def watched(self: HTTPAdapter, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        place = urlsplit(str(request.url)).path
        sent.append(f"{request.method} file" if "mlflow-artifacts" in place else place.partition("mlflow/")[2])
        under_way.add(threading.get_ident())
        at_once.append(len(under_way))
        try:
            return send(self, request, *args, **options)
        finally:
            under_way.discard(threading.get_ident())

    with monkeypatch.context() as watching:
        watching.setattr(HTTPAdapter, "send", watched)
        yield sent, at_once


def test_a_run_that_has_ended_takes_four_requests_and_one_for_each_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _whole_runs(project, 2)
    with new_publisher() as publisher:
        publisher.publish(*runs[0])  # opens the store
        with _watched(monkeypatch) as (sent, _):
            publisher.publish(*runs[1])
    assert sent == ["runs/create", "runs/log-inputs", "runs/log-batch", *["PUT file"] * 4, "runs/update"]
    files = {item.path for item in new_client().list_artifacts(run_of(new_client(), runs[1][0]).info.run_id)}
    assert files == {"spec.json", "history.jsonl", "record.json", "merged.safetensors"}


def test_several_runs_at_a_time_look_as_one_after_the_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _whole_runs(project, 12)
    publish(runs)
    one_by_one = view_of_study()
    for run in runs_of_study(new_client()):
        new_client().delete_run(run.info.run_id)
    with _watched(monkeypatch) as (_, at_once), new_publisher() as publisher:
        publisher.publish_all([RunOnDisk(spec, run_dir) for spec, run_dir in runs])
    assert 1 < max(at_once) <= 4
    assert view_of_study() == one_by_one


def test_of_runs_that_another_machine_made_too_one_of_each_stays(project: Path) -> None:
    runs = _whole_runs(project, 6)
    with new_publisher() as publisher:
        publisher.publish(*runs[0])
        publish(runs)  # the other machine; ours knows only the first of them
        for spec, run_dir in runs[1:]:
            publisher.publish(spec, run_dir)
        assert len(runs_of_study(new_client())) == 1 + 1 + 5 + 5  # the sweep, the run that both know, those of either
    shown = runs_of_study(new_client())
    assert sorted(run.data.tags["m2pt.run_id"] for run in shown if "m2pt.run_id" in run.data.tags) == sorted(
        run_id(spec) for spec, _ in runs
    )
    for spec, _ in runs:
        assert len(new_client().get_metric_history(run_of(new_client(), spec).info.run_id, "1_val/accuracy")) == 6


def test_of_two_of_a_run_the_one_that_is_there_in_full_stays(project: Path) -> None:
    spec, run_dir = _whole_runs(project, 1)[0]
    publish([(spec, run_dir)])
    whole = run_of(new_client(), spec)
    for _ in range(4):  # whichever way MLflow's ids, which are drawn, put them
        new_client().create_run(whole.info.experiment_id, tags={"m2pt.run_id": run_id(spec)})
    publish([(spec, run_dir)])
    assert run_of(new_client(), spec).info.run_id == whole.info.run_id

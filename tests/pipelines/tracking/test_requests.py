"""What publishing asks of MLflow's own server, which takes the files of runs too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from benchmarks.many_runs import server
from tests.pipelines import synthetic
from tests.pipelines.tracking.mlflow_view import new_client, new_publisher, publish, run_of, runs_of_study

pytestmark = pytest.mark.patient


@pytest.fixture(autouse=True)
def _served(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # as `m2pt` sets it
    (project / "mlflow.db").unlink()  # the server makes its own
    with server(project):
        yield


def test_a_run_that_has_ended_takes_six_requests_and_one_for_each_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    sent: list[str] = []
    send = HTTPAdapter.send

    def counted(self: HTTPAdapter, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        place = urlsplit(str(request.url)).path
        sent.append(f"{request.method} file" if "mlflow-artifacts" in place else place.partition("mlflow/")[2])
        return send(self, request, *args, **options)

    with new_publisher() as publisher:
        publisher.publish(*runs[0])  # opens the store
        with monkeypatch.context() as counting:
            counting.setattr(HTTPAdapter, "send", counted)
            publisher.publish(*runs[1])
    before, after = ["runs/create", "runs/search", "runs/log-inputs", "runs/log-batch"], ["runs/update", "runs/log-batch"]
    assert sent == [*before, *["PUT file"] * 4, *after]
    files = {item.path for item in new_client().list_artifacts(run_of(new_client(), runs[1][0]).info.run_id)}
    assert files == {"spec.json", "history.jsonl", "record.json", "merged.safetensors"}


def test_what_another_machine_published_since_the_store_was_opened_stays(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(6)]
    with new_publisher() as publisher:
        publisher.publish(*runs[0])
        publish(runs)  # the other machine; ours knows only the first of them
        theirs = {run.info.run_id for run in runs_of_study(new_client())}
        for spec, run_dir in runs[1:]:
            publisher.publish(spec, run_dir)
    assert {run.info.run_id for run in runs_of_study(new_client())} == theirs
    for spec, _ in runs:
        assert len(new_client().get_metric_history(run_of(new_client(), spec).info.run_id, "1_val/accuracy")) == 6

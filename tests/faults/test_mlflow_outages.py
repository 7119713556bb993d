"""MLflow's server fails in each of the ways of servers: a study ends in bounded time with its report; a start makes it good."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.many_runs import server
from tests.faults.broken_server import broken_server
from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.patient, pytest.mark.timeout(600)]

EPOCHS = 2
REQUEST_S, TRIES = 2.0, 2
END_LIMIT_S = 2 * 3 * REQUEST_S * TRIES + 30
"""For its runs and for its report a few requests are tried; the rest is for a study of one run on a busy machine."""

SENTENCES = {
    "error": "MLFLOW_TRACKING_URI: {} answered with an error (500)",
    "reset": "MLFLOW_TRACKING_URI: {} does not answer",
    "hang": "MLFLOW_TRACKING_URI: {} does not answer",
    "hang after health": "MLFLOW_TRACKING_URI: {} does not answer",
    "refuse": "MLFLOW_TRACKING_URI: {} refuses the name or the password",
    "gone after 3": "MLFLOW_TRACKING_URI: {} does not answer",
    "gone after 12": "MLFLOW_TRACKING_URI: {} does not answer",
}


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("mlflow")):
        address = os.environ.pop("MLFLOW_TRACKING_URI")
        yield address


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    yield make_project(tmp_path, name_of(request), EPOCHS)
    end_all(tmp_path)


def name_of(request: pytest.FixtureRequest) -> str:
    """A study of its own for each fault, because all of them share a server."""
    return "outage-" + "".join(letter if letter.isalnum() else "-" for letter in request.node.callspec.params["fault"])


def study(project: Path, name: str, address: str) -> tuple[str, float]:
    """What a start of the study says, and how long it takes."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    kept |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "MLFLOW_TRACKING_URI": address}
    kept |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{REQUEST_S:g}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": f"{TRIES - 1}"}
    began = time.monotonic()
    with started(project, kept, "pipelines", "study", "--study", f"{name}.yaml") as process:
        code = process.wait(PATIENCE_S)
    said = (project / "out.txt").read_text()
    assert code == 0 and "Traceback" not in said, said
    return said, time.monotonic() - began


def is_there_once(address: str, name: str) -> bool:
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id])
    of_study = [run for run in runs if "m2pt.run_id" in run.data.tags]
    assert len(runs) == 2 and len(of_study) == 1, [run.data.tags for run in runs]
    points = client.get_metric_history(of_study[0].info.run_id, "1_val/accuracy")
    return {run.info.status for run in runs} == {"FINISHED"} and [point.step for point in points] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_study_ends_while_mlflow_fails_and_a_start_makes_it_good(
    project: Path, mlflow_server: str, fault: str, request: pytest.FixtureRequest
):
    name = name_of(request)
    with broken_server(mlflow_server, fault) as broken:
        place = broken.address.removeprefix("http://")
        said, seconds = study(project, name, broken.address)
        assert (project / f"build/{name}/reports/index.html").is_file()
        told = [line for line in said.splitlines() if "MLFLOW_TRACKING_URI" in line]
        assert 1 <= len(told) <= 2 and all(SENTENCES[fault].format(place) in line for line in told), said
        assert "shows the runs" not in said and seconds < END_LIMIT_S, said
        broken.fault = "works"
        said, _ = study(project, name, broken.address)
        assert "nothing to run" in said and "MLFLOW_TRACKING_URI" not in said and "shows the runs" in said, said
    assert is_there_once(mlflow_server, name)


@pytest.mark.parametrize("fault", ["slow"])
def test_a_slow_server_gets_everything(project: Path, mlflow_server: str, fault: str, request: pytest.FixtureRequest):
    with broken_server(mlflow_server, fault) as broken:
        said, _ = study(project, name_of(request), broken.address)
    assert "MLFLOW_TRACKING_URI" not in said, said
    assert is_there_once(mlflow_server, name_of(request))

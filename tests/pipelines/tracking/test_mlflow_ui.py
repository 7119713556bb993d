"""The pages of MLflow, and a server instead of a file."""

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.runs.identity import run_id
from pipelines.scheduling.server import free_port
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.mlflow_ui import study_page, ui_command, ui_environment
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd
from tests.pipelines import synthetic
from tests.pipelines.tracking.mlflow_view import STUDY, SWEEP, new_client, publish, run_of, runs_of_study
from tests.waiting import comes_true

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    """A real MLflow server, started by the command of the UI."""
    port = free_port(5000)
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        ui_command("127.0.0.1", port), env=os.environ | ui_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert comes_true(lambda: answers(f"{address}/health"))
        yield address
    finally:
        process.terminate()
        process.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_server_shows_the_same_as_the_file(project: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(f"{server}/")
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    # Another machine has made the run as well, in the moment before ours looked.
    client = new_client()
    experiment = client.create_experiment(STUDY)
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    publish(runs)
    publish(runs)
    by_server = [run_of(client, spec) for spec, _ in runs[1:]]
    assert [len(client.get_metric_history(run.info.run_id, "1_val/accuracy")) for run in by_server] == [6]
    assert {item.path for item in client.list_artifacts(by_server[0].info.run_id)} >= {"spec.json", "record.json"}
    assert len(runs_of_study(client)) == 4
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert run_of(new_client(), runs[1][0]).data.to_dictionary() == by_server[0].data.to_dictionary()


def test_a_browser_shows_what_a_sweep_is_and_what_it_answers(project: Path, server: str, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    sweep = Sweep(STUDY, SWEEP, "embedded: learning_rate=0.002 · 2026-03-04 05:06")
    (tmp_path / "index.html").write_text("<h1>A report of ours</h1>")
    said = ("**Nothing is shown.** +0.25 ± 0.75 points.", "Further words.")
    values = {"0_gain/over_random": 0.25, "0_gain/over_random_half_width": 0.75, "0_gain/own_lineage": 4.5}
    spec = synthetic.pathway_spec()
    with Publisher(MlflowTracker(sweep)) as publisher:
        publisher.publish(spec, synthetic.whole(project / "runs", spec))
        publisher.close(SweepEnd(values=values, report={"index.html": tmp_path / "index.html"}, sentences=said))
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    command += ["--window-size=2000,1000", "--virtual-time-budget=20000", "--dump-dom"]

    def drawn(address: str) -> str:
        return subprocess.run([*command, address], capture_output=True, text=True, timeout=200, check=True).stdout

    page = study_page(STUDY, server)
    assert comes_true(lambda: sweep.title in drawn(page))
    table = drawn(page)
    assert "Answers first" in table and "<strong>Nothing is shown.</strong> +0.25 ± 0.75 points." in table
    heads = [table.index(f">{name}<") for name in ("0_gain/over_random", "0_gain/over_random_half_width", "0_gain/own_lineage")]
    assert heads == sorted(heads)
    assert all(re.search(rf">{value}<", table) for value in ("0.25", "0.75", "4.5"))
    (link,) = {address.replace("&amp;", "&") for address in re.findall(r'href="([^"]*report/index\.html[^"]*)"', table)}
    assert comes_true(
        lambda: '<iframe src="blob:' in (shown := drawn(f"{server}/{link[link.index('#') :]}")) and sweep.title in shown
    )
    run_id_of_sweep = re.search(r"/runs/([0-9a-f]+)/", link)[1]
    address = f"{server}/get-artifact?path=report/index.html&run_uuid={run_id_of_sweep}"
    assert urllib.request.urlopen(address, timeout=20).read() == (tmp_path / "index.html").read_bytes()


def test_the_ui_of_somebody_elses_server_is_left_to_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example")
    with pytest.raises(UserError, match=r"https://tracking\.example"):
        ui_command("127.0.0.1", 5000)


def test_the_page_of_a_study_is_found(project: Path) -> None:
    spec = synthetic.pathway_spec()
    assert study_page(STUDY, "http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    publish([(spec, synthetic.whole(project / "runs", spec))])
    experiment = run_of(new_client(), spec).info.experiment_id
    assert f"/#/experiments/{experiment}/runs" in study_page(STUDY, "http://127.0.0.1:5000")


def preflight(address: str, origin: str) -> dict[str, str]:
    """The headers of the answer to a browser's question whether a page of an origin may send JSON."""
    wish = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    request = urllib.request.Request(address, method="OPTIONS", headers=wish)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return {name.lower(): value for name, value in error.headers.items()}


def status(address: str, method: str = "GET", **headers: str) -> int:
    """The status of an answer to a request with some headers."""
    request = urllib.request.Request(address, method=method, headers=headers, data=b"{}" if method == "POST" else None)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_server_answers_to_its_own_names_and_changes_nothing_for_other_origins(project: Path, server: str) -> None:
    """A name that was made to point to this machine, also one of a private network, is refused (DNS rebinding)."""
    search = f"{server}/api/2.0/mlflow/experiments/search?max_results=1"
    assert status(search) == 200
    assert status(search, Host=server.replace("http://127.0.0.1", "localhost")) == 200
    for name in ("elsewhere.example", "192.168.0.7:5000", "127.0.0.1:1"):
        assert status(search, Host=name) == 403
    create = f"{server}/api/2.0/mlflow/experiments/create"
    json = {"Content-Type": "application/json"}
    assert status(create, "POST", Origin="https://elsewhere.example", **json) == 403
    assert status(create, "POST", Origin=server, **json) == 400  # it lacks a name, and may ask
    # What a browser sends without asking first, and the question that it asks before anything else.
    for origin in ("https://elsewhere.example", "null"):
        assert status(create, "POST", Origin=origin, **{"Content-Type": "text/plain"}) == 403
        assert status(create, "DELETE", Origin=origin) == 403
        assert "access-control-allow-origin" not in preflight(create, origin)

"""The pages of MLflow, and a server instead of a file."""

import base64
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from m2pt.config import UserError
from m2pt.runs.identity import run_id
from pipelines.execution.process_environment import prepare
from pipelines.scheduling.server import listen
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.mlflow_ui import study_page, ui_command
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd
from tests.answering import answering
from tests.browser import browser
from tests.pipelines import synthetic
from tests.pipelines.tracking.conftest import new_project
from tests.pipelines.tracking.mlflow_view import STUDY, SWEEP, new_client, publish, run_of, runs_of_study
from tests.waiting import comes_true

AUTH = "m2pt:of-this-test"
HOME = "home"


@contextmanager
def started(home: Path) -> Iterator[str]:
    """A real MLflow server of the current folder, started by the command of the UI, by a user with an empty home."""
    with listen(0) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command, variables = ui_command(listener.fileno(), AUTH)
        process = subprocess.Popen(
            command,
            env=os.environ | variables | {"HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(listener.fileno(),),
        )
    try:
        assert comes_true(lambda: answers(f"{address}/health"))
        yield address
    finally:
        process.stdin.close()
        process.wait(20)


@pytest.fixture
def server(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of this test's own, and what its clients need."""
    name, _, password = AUTH.partition(":")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with started(tmp_path / "home") as address:
        yield address


@pytest.fixture(scope="module")
def empty_server(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without runs, for tests that change nothing. Its user's home stays empty."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        root = new_project(tmp_path_factory.mktemp("empty") / "a project", empty_database, monkeypatch)
        with started(root / HOME) as address:
            monkeypatch.undo()  # the server stays in its folder
            yield address
    assert not (root / HOME).exists()


def answers(address: str) -> bool:
    try:
        return status(address, auth="") == 200
    except OSError:
        return False


def test_a_server_shows_the_same_as_the_file(project: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(f"{server}/") == 200
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    # Other machines have made the run as well, in the moment before ours looked.
    client = new_client()
    experiment = client.create_experiment(STUDY)
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    publish(runs)
    publish(runs)
    by_server = [run_of(client, spec) for spec, _ in runs]
    assert [len(client.get_metric_history(run.info.run_id, "1_val/accuracy")) for run in by_server] == [6, 6]
    assert {item.path for item in client.list_artifacts(by_server[1].info.run_id)} >= {"spec.json", "record.json"}
    assert len(runs_of_study(client)) == 1 + len(runs)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert run_of(new_client(), runs[1][0]).data.to_dictionary() == by_server[1].data.to_dictionary()


def test_a_browser_shows_what_a_sweep_is_and_what_it_answers(project: Path, server: str, tmp_path: Path) -> None:
    """A browser that was given the password once gives it to all pages."""
    sweep = Sweep(STUDY, SWEEP, "embedded: learning_rate=0.002 · 2026-03-04 05:06")
    (tmp_path / "index.html").write_text("<h1>A report of ours</h1>")
    said = ("**Nothing is shown.** +0.25 ± 0.75 points.", "Further words.")
    values = {"0_gain/over_random": 0.25, "0_gain/over_random_half_width": 0.75, "0_gain/own_lineage": 4.5}
    spec = synthetic.pathway_spec()
    with Publisher(MlflowTracker(sweep)) as publisher:
        publisher.publish(spec, synthetic.whole(project / "runs", spec))
        publisher.close(SweepEnd(values=values, report={"index.html": tmp_path / "index.html"}, sentences=said))
    with browser(tmp_path / "browser") as tab:
        tab.enter(server, AUTH)
        tab.ask("Emulation.setDeviceMetricsOverride", width=2000, height=1000, deviceScaleFactor=1, mobile=False)

        def shows(address: str, words: str) -> str:
            for place in ("about:blank", address):
                tab.ask("Page.navigate", url=place)
            assert comes_true(lambda: words in tab.run("document.documentElement?.outerHTML ?? ''"), 100)
            return str(tab.run("document.documentElement.outerHTML"))

        page = study_page(STUDY, server)
        table = shows(page, "0.75<")
        assert sweep.title in table
        assert "Answers first" in table and "<strong>Nothing is shown.</strong> +0.25 ± 0.75 points." in table
        names = ("0_gain/over_random", "0_gain/over_random_half_width", "0_gain/own_lineage")
        heads = [table.index(f">{name}<") for name in names]
        assert heads == sorted(heads)
        assert all(re.search(rf">{value}<", table) for value in ("0.25", "0.75", "4.5"))
        (link,) = {address.replace("&amp;", "&") for address in re.findall(r'href="([^"]*report/index\.html[^"]*)"', table)}
        assert sweep.title in shows(f"{server}/{link[link.index('#') :]}", '<iframe src="blob:')
    run_id_of_sweep = re.search(r"/runs/([0-9a-f]+)/", link)[1]
    kept = asked(f"{server}/get-artifact?path=report/index.html&run_uuid={run_id_of_sweep}")
    assert kept[0] == 200
    assert kept[2] == (tmp_path / "index.html").read_bytes()


def test_the_ui_of_somebody_elses_server_is_left_to_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://name:secret@tracking.example")
    with pytest.raises(UserError, match=r"https://tracking\.example, which shows them itself") as refused:
        ui_command(0, AUTH)
    assert "secret" not in str(refused.value)


def test_the_page_of_a_study_is_found(project: Path) -> None:
    spec = synthetic.pathway_spec()
    assert study_page(STUDY, "http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    publish([(spec, synthetic.whole(project / "runs", spec))])
    experiment = run_of(new_client(), spec).info.experiment_id
    assert f"/#/experiments/{experiment}/runs" in study_page(STUDY, "http://127.0.0.1:5000")


def asked(address: str, method: str = "GET", auth: str = AUTH, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of an answer to a request with a password and some headers."""
    request = urllib.request.Request(address, method=method, headers=headers, data=b"{}" if method in ("POST", "PUT") else None)
    if auth:
        request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return int(answer.status), {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def status(address: str, method: str = "GET", auth: str = AUTH, **headers: str) -> int:
    return asked(address, method, auth, **headers)[0]


JSON = {"Content-Type": "application/json"}
OTHERS = ("https://elsewhere.example", "null", "http://127.0.0.1:1", "http://localhost:1", "http://localhost")
"""Origins of other pages, also of other users' servers on this machine."""


def test_nobody_sees_or_changes_anything_without_the_password(empty_server: str) -> None:
    search = f"{empty_server}/api/2.0/mlflow/experiments/search?max_results=1"
    create = f"{empty_server}/api/2.0/mlflow/experiments/create"
    for auth in ("", "m2pt:guessed", "m2pt", f"{AUTH}x"):
        assert status(f"{empty_server}/", auth=auth) == status(search, auth=auth) == status(create, "POST", auth, **JSON) == 401
        assert status(f"{empty_server}/ajax-api/2.0/mlflow/upload-artifact?run_uuid=0&path=x", "POST", auth) == 401
    assert asked(f"{empty_server}/", auth="")[1]["www-authenticate"].startswith("Basic ")
    assert status(search) == 200
    assert status(create, "POST", **JSON) == 400  # it lacks a name, and may ask


def test_the_server_answers_to_its_own_names_and_pages(empty_server: str) -> None:
    """A name that was made to point to this machine, also one of a private network, is refused (DNS rebinding).

    So is a page of another origin, whose requests a browser would give the password that it remembers.
    """
    search = f"{empty_server}/api/2.0/mlflow/experiments/search?max_results=1"
    create = f"{empty_server}/api/2.0/mlflow/experiments/create"
    assert status(search, Host=empty_server.replace("http://127.0.0.1", "localhost")) == 200
    for name in ("elsewhere.example", "192.168.0.7:5000", "127.0.0.1:1"):
        assert status(search, Host=name) == 403
    for own in (empty_server, empty_server.replace("127.0.0.1", "localhost")):
        assert status(create, "POST", Origin=own, **JSON) == 400
        assert status(search, Origin=own) == 200
    # What a browser sends without asking first, and the question that it asks before anything else.
    wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin in OTHERS:
        assert status(create, "POST", Origin=origin, **{"Content-Type": "text/plain"}) == 403
        assert status(create, "POST", Origin=origin, **JSON) == status(create, "DELETE", Origin=origin) == 403
        for answer in (asked(search, Origin=origin), asked(create, "OPTIONS", "", Origin=origin, **wish)):
            assert answer[0] == 403
            assert "access-control-allow-origin" not in answer[1]


def shown(picture: str) -> str:
    """The script that tells whether a page shows a picture."""
    ends = "it.onload = () => end(true); it.onerror = () => end(false)"
    return f"new Promise(end => {{ const it = new Image(); {ends}; it.src = {json.dumps(picture)} }})"


def test_a_page_of_another_port_shows_nothing_of_the_server(empty_server: str, tmp_path: Path) -> None:
    """In a browser that was given the password, also not what the browser has in its cache. A link still leads to the server."""
    page = b"<title>elsewhere</title><p>A page of another program.</p>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    picture = f"{empty_server}/static-files/favicon.ico"
    with answering(head + page) as elsewhere, browser(tmp_path / "browser") as tab:
        tab.enter(empty_server, AUTH)
        tab.open(f"{empty_server}/")
        assert tab.run(shown(picture)) is True
        tab.open(f"{elsewhere}/")
        assert tab.run("document.title") == "elsewhere"
        assert tab.run(shown(picture)) is False
        assert tab.run(shown(f"{picture}?not-in-the-cache")) is False
        tab.run(f"location.href = {json.dumps(empty_server)}; 0")
        assert comes_true(lambda: tab.run("document.title") == "MLflow", 100)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_page_of_another_origin_loads_is_refused(empty_server: str, site: str) -> None:
    """Pictures, scripts and frames come without `Origin`."""
    search = f"{empty_server}/api/2.0/mlflow/experiments/search?max_results=1"
    for kind in ("image", "script", "empty", "iframe", "object"):
        mode = "navigate" if kind in ("iframe", "object") else "no-cors"
        told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind}
        for address in (search, f"{empty_server}/", f"{empty_server}/get-artifact?path=x&run_uuid=0"):
            assert status(address, **told) == 403
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert status(f"{empty_server}/", **link) == 200
    assert status(f"{empty_server}/", auth="", **link) == 401
    for own in ("same-origin", "none"):
        assert status(search, **(link | {"Sec-Fetch-Site": own, "Sec-Fetch-Mode": "cors"})) == 200
    assert asked(search)[1]["cross-origin-resource-policy"] == "same-origin"


def test_the_assistant_that_runs_commands_is_not_there(empty_server: str) -> None:
    """Also for who knows the password: its settings would name a language model, and let that run commands without asking."""
    from mlflow.server.assistant.api import assistant_router

    routes = [(route.path, method) for route in assistant_router.routes for method in route.methods]
    assert ("/ajax-api/3.0/mlflow/assistant/config", "PUT") in routes
    assert ("/ajax-api/3.0/mlflow/assistant/sessions/{session_id}/stream", "GET") in routes
    for path, method in routes:
        place = f"{empty_server}{path.replace('{session_id}', '0' * 8).replace('{provider}', 'ollama')}"
        for address in (place, place.replace("assistant", "%61ssistant"), place.replace("/ajax-api", "//ajax-api")):
            assert status(address, method, **JSON) in (404, 405), (method, address)
        assert status(place, method, auth="", **JSON) == 401


def test_a_password_in_the_address_is_used_and_shown_nowhere(
    project: Path, server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also not by MLflow itself, which prints the addresses of runs."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("http://", f"http://{AUTH}@"))
    spec = synthetic.pathway_spec()
    with patch.dict(os.environ):
        prepare()
        with Publisher(MlflowTracker(Sweep(STUDY, SWEEP, "a sweep"))) as publisher:
            publisher.publish(spec, synthetic.whole(project / "runs", spec))
            publisher.close(SweepEnd())
    assert run_of(new_client(), spec).info.status == "FINISHED"
    assert MlflowTracker(Sweep(STUDY, SWEEP, "a sweep")).place == server
    said = capfd.readouterr()
    assert AUTH.partition(":")[2] not in said.out + said.err

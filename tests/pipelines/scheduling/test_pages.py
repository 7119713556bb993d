"""What is sent to Prefect's server: everything, in its order, lines of logs together; `test_flows` has a server that shows it."""

import time
from contextlib import contextmanager
from uuid import uuid4

import pytest

from pipelines.scheduling import pages
from pipelines.scheduling.pages import Pages


class Server:
    """Takes what is posted; `away` is how many requests it does not answer at first."""

    def __init__(self, away=0):
        self.away = away
        self.posted = []

    def request(self, method, path, json):
        assert method == "POST"
        if self.away:
            self.away -= 1
            raise OSError("nobody answers")
        self.posted.append((path, json))

    @property
    def lines(self):
        return [line["message"] for path, body in self.posted if path == "/logs/" for line in body]


@pytest.fixture
def server(monkeypatch):
    server = Server()

    @contextmanager
    def client():
        yield server

    monkeypatch.setattr(pages, "client", client)
    return server


def study(shown, names):
    for name in names:
        task = shown.begin("fine-tuning", name)
        task.log(f"{name}: running")
        task.log(f"{name}: done")
        task.end("COMPLETED", "done")


def test_everything_is_sent_in_its_order_and_the_lines_of_a_second_together(server):
    with Pages(uuid4(), lambda _: None) as shown:
        study(shown, ["one", "two"])
    kinds = [path if path in ("/task_runs/", "/logs/") else "state" for path, _ in server.posted]
    assert kinds == ["/task_runs/", "state", "/task_runs/", "state", "/logs/"]
    assert [body["name"] for path, body in server.posted if path == "/task_runs/"] == ["one", "two"]
    assert server.lines == ["one: running", "one: done", "two: running", "two: done"]


def test_nothing_is_sent_while_a_run_begins_and_the_end_waits_for_nothing(server, monkeypatch):
    monkeypatch.setattr(pages, "_TOGETHER_S", 3600.0)
    begun = time.monotonic()
    with Pages(uuid4(), lambda _: None) as shown:
        study(shown, ["one"])
        time.sleep(0.2)
        assert not server.posted
    assert len(server.posted) == 3
    assert time.monotonic() - begun < 5


def test_what_happens_later_is_sent_before_the_end(server, monkeypatch):
    monkeypatch.setattr(pages, "_TOGETHER_S", 0.01)
    with Pages(uuid4(), lambda _: None) as shown:
        study(shown, ["one"])
        deadline = time.monotonic() + 20
        while "one: done" not in server.lines and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.lines == ["one: running", "one: done"]
        study(shown, ["two"])
    assert server.lines[2:] == ["two: running", "two: done"]


def test_after_an_outage_nothing_is_missing_and_no_request_is_endless(server, monkeypatch):
    monkeypatch.setattr(pages, "_AGAIN_S", 0.01)
    server.away = 3
    said = []
    names = [f"run {index}" for index in range(700)]
    with Pages(uuid4(), said.append) as shown:
        study(shown, names)
    assert len(said) == 1
    assert server.lines == [f"{name}: {word}" for name in names for word in ("running", "done")]
    assert max(len(body) for path, body in server.posted if path == "/logs/") == 500
    assert sum(path == "/task_runs/" for path, _ in server.posted) == 700

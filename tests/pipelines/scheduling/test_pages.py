"""What is sent to Prefect's server: everything, in its order, lines of logs together; `test_flows` has a server that shows it."""

import threading
import time
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from m2pt.config import UserError
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


def test_a_flow_run_is_made_as_soon_as_the_server_answers_and_has_all_that_happened_before(server, monkeypatch):
    monkeypatch.setattr(pages, "_AGAIN_S", 0.01)
    flow_run, said, ready = uuid4(), [], threading.Event()
    answers = iter([OSError("nobody answers"), OSError("nobody answers"), flow_run])

    def begin():
        assert ready.wait(20)
        if isinstance(answer := next(answers), OSError):
            raise answer
        return answer

    with Pages(None, said.append, begin) as shown:
        study(shown, ["one"])
        shown.keep("markdown", "report", "this flow run", "what it shows")
        assert shown.flow_run is None
        ready.set()
        assert shown.known() == flow_run
        study(shown, ["two"])
    assert len(said) == 1
    assert server.lines == ["one: running", "one: done", "two: running", "two: done"]
    posted = [body for _, body in server.posted]
    named = [line for body in posted for line in (body if isinstance(body, list) else [body]) if "flow_run_id" in line]
    assert len(named) == 7
    assert {line["flow_run_id"] for line in named} == {str(flow_run)}
    assert [body["data"] for body in posted if isinstance(body, dict) and "data" in body] == ["this flow run"]


def test_without_a_server_nothing_is_kept_and_nobody_waits(server):
    begun = time.monotonic()
    with Pages(None, lambda _: None, lambda: None) as shown:
        assert shown.known() is None
        study(shown, [f"run {index}" for index in range(100)])
        assert shown._queue.empty()
    assert not server.posted
    assert time.monotonic() - begun < 5


def test_an_interrupt_does_not_wait_for_a_server_that_starts(server):
    begun, over = time.monotonic(), threading.Event()
    with pytest.raises(KeyboardInterrupt), Pages(None, lambda _: None, lambda: over.wait(30) and None):
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 5
    over.set()


def test_an_outage_at_the_very_end_is_told(server, monkeypatch):
    monkeypatch.setattr(pages, "_AGAIN_S", 0.01)
    monkeypatch.setattr(pages, "END_LIMIT_S", 0.5)
    server.away = 10**9
    said = []
    with Pages(uuid4(), said.append) as shown:
        study(shown, ["one"])
    assert len(said) == 1 and "does not answer" in said[0]


def test_where_a_flow_run_cannot_be_noted_it_is_shown_all_the_same(server, monkeypatch):
    def full(_):
        raise UserError("there is no space")

    monkeypatch.setattr(pages, "noted", full)
    with Pages(None, lambda _: None, uuid4) as shown:
        study(shown, ["one"])
    assert server.lines == ["one: running", "one: done"]


def test_a_line_that_is_refused_takes_no_other_with_it(server, monkeypatch):
    taken = server.request

    def picky(method, path, json):
        if path == "/logs/" and any("bad" in line["message"] for line in json):
            raise httpx.HTTPStatusError("refused", request=httpx.Request("POST", path), response=httpx.Response(422))
        taken(method, path, json)

    monkeypatch.setattr(server, "request", picky)
    with Pages(uuid4(), lambda _: None) as shown:
        study(shown, ["one", "bad", "two"])
    assert server.lines == ["one: running", "one: done", "two: running", "two: done"]

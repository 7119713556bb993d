"""A request to end a study names one process, and stops no other."""

import os
import time
from pathlib import Path

import pytest

from m2pt.config import Study
from m2pt.config.study_file import load_study
from m2pt.files.markers import this_host
from pipelines.execution.holders import Holder, holder_of_run, holder_of_study
from pipelines.execution.stop_request import LOOK_EVERY_S, ask, heeded, is_waiting, request_file, withdraw
from pipelines.planning.folders import study_lock
from tests.pipelines.commands.test_cli import STUDY
from tests.waiting import comes_true

HERE = Holder(os.getpid(), this_host())


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(STUDY)
    return load_study("params.yaml")


def test_a_request_is_taken_once(study: Study):
    calls: list[float] = []

    def end() -> bool:
        calls.append(time.monotonic())
        return len(calls) > 1  # not yet, at first

    with heeded(study, end):
        ask(study, HERE)
        assert comes_true(lambda: not is_waiting(study), 10)
        time.sleep(2 * LOOK_EVERY_S)
    assert len(calls) == 2
    assert list(Path("runs").iterdir()) == []


@pytest.mark.parametrize("asked", [Holder(HERE.pid + 1, HERE.host), Holder(HERE.pid, "another-host")])
def test_a_request_to_another_process_is_left_to_it(study: Study, asked: Holder):
    with heeded(study, lambda: pytest.fail("this process was not asked")):
        ask(study, asked)
        time.sleep(2 * LOOK_EVERY_S)
    assert is_waiting(study)
    withdraw(study)
    withdraw(study)
    assert not is_waiting(study)


def test_what_was_left_for_an_earlier_process_of_the_same_id_stops_nothing(study: Study):
    ask(study, HERE)
    with heeded(study, lambda: pytest.fail("the request was for an earlier process")):
        time.sleep(2 * LOOK_EVERY_S)
    assert not is_waiting(study)


def test_a_damaged_request_stops_nothing(study: Study):
    request_file(study).parent.mkdir()
    request_file(study).write_text("{")
    with heeded(study, lambda: pytest.fail("nobody was asked")):
        time.sleep(2 * LOOK_EVERY_S)


def test_the_command_that_holds_the_lock_does_the_study(study: Study):
    assert holder_of_study(study) is None and holder_of_run(Path("runs/small/none")) is None
    with study_lock(Path("runs/small")):
        assert holder_of_study(study) == HERE
    with study_lock(Path("build/small")), study_lock(Path("runs/small")):  # the default study, and a stage of it
        assert holder_of_study(study) == HERE
    assert holder_of_study(study) is None

"""The lease of a study: one sweep at a time, on whatever host; a dead host's is free when it expires."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files import leases, markers
from pipelines.planning.folders import study_lock, study_marker
from tests import hosts
from tests.waiting import PATIENCE_S, comes_true

EXPIRY_S = 0.9

SWEEP = f"""
import sys, time
from pathlib import Path
from m2pt.files import leases, markers
markers.EXPIRY_S, markers.HEARTBEAT_S = {EXPIRY_S}, {EXPIRY_S / 6}
from pipelines.planning.folders import study_lock
try:
    with study_lock(Path(sys.argv[1])):
        print("runs", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "EXPIRY_S", EXPIRY_S)
    monkeypatch.setattr(leases, "_TOLD_AFTER_S", EXPIRY_S / 3)
    monkeypatch.setattr(markers, "HEARTBEAT_S", EXPIRY_S / 6)


pytestmark = [
    pytest.mark.patient,
    pytest.mark.skipif(hosts.way() is None, reason="this system permits no namespaces"),
]


def sweep(folder: Path, host: str) -> "subprocess.Popen[str]":
    process = hosts.on(host, ["-c", SWEEP, str(folder)], stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "runs\n"
    return process


def test_a_second_sweep_on_another_host_is_refused_and_told_which_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = sweep(tmp_path / "small", "node7")
    with pytest.raises(UserError) as caught, study_lock(tmp_path / "small"):
        pass
    way_out = "wait for it to end, or stop it."
    assert str(caught.value) == f"the study in {tmp_path / 'small'} is already running (pid {process.pid} on node7); {way_out}"
    with study_lock(tmp_path / "another"):
        pass
    process.kill()
    process.wait()
    began = time.monotonic()
    with study_lock(tmp_path / "small"):
        assert time.monotonic() - began < PATIENCE_S
    said = f"looks for {EXPIRY_S:g} s at most whether the study in {tmp_path / 'small'} still runs (pid {process.pid} on node7)."
    assert capsys.readouterr().err.count(said) == 1
    assert not study_marker(tmp_path / "small").exists()


def test_a_sweep_that_was_frozen_until_another_host_took_its_study_over_is_interrupted(tmp_path: Path) -> None:
    process = sweep(tmp_path / "small", "node7")
    process.send_signal(signal.SIGSTOP)
    with study_lock(tmp_path / "small"):
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE_S) == 130
        assert process.stderr is not None
        assert process.stderr.read() == (
            f"m2pt: while this process did not respond, another one took over the study in {tmp_path / 'small'}; this one ends.\n"
        )
        assert study_marker(tmp_path / "small").exists()


def test_what_another_host_works_on_is_seen_here_without_writing(tmp_path: Path) -> None:
    process = sweep(tmp_path / "small", "node7")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert markers.is_leased(study_marker(tmp_path / "small"))
    process.kill()
    process.wait()
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert comes_true(lambda: markers.is_leased(study_marker(tmp_path / "small")))


def test_the_same_program_is_not_refused_by_what_it_left_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWEEP.replace("time.sleep(600)", "import os; os._exit(0)"), str(tmp_path / "small")],
        stdout=subprocess.DEVNULL,
    )
    assert done.returncode == 0 and study_marker(tmp_path / "small").exists()
    with study_lock(tmp_path / "small"):
        pass

"""Leases: a dead process's is taken at once, one that cannot be asked expires, and whoever has lost one writes nothing more."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files import markers
from m2pt.files.documents import half_written, write_atomic, written_under
from m2pt.files.leases import LeaseHeldError, LeaseLostError, leased
from m2pt.files.markers import is_leased
from tests import hosts
from tests.waiting import PATIENCE_S, comes_true

EXPIRY_S = 0.6

HOLDER = f"""
import os, signal, sys, time
from pathlib import Path
from m2pt.files import documents, leases, markers
markers.EXPIRY_S, markers.HEARTBEAT_S = {EXPIRY_S}, {EXPIRY_S / 6}
path, what = Path(sys.argv[1]), sys.argv[2]
with leases.leased(path) as lease:
    print("held", flush=True)
    if what == "holds":
        time.sleep(600)
    if what == "works":
        while True:
            sum(range(10**6))
    if what == "writes":
        asked, looks = documents.require_leases, 0
        def asks_and_freezes():
            global looks
            asked()
            if not looks:
                looks = 1
                os.kill(os.getpid(), signal.SIGSTOP)
        documents.require_leases = asks_and_freezes
        with documents.written_under(lease, [path.with_name("file")]):
            try:
                documents.write_atomic(path.with_name("file"), b"of the frozen one")
            except leases.LeaseLostError as error:
                print(f"lost: {{error}}", flush=True)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "EXPIRY_S", EXPIRY_S)
    monkeypatch.setattr(markers, "HEARTBEAT_S", EXPIRY_S / 6)


def holder(path: Path, what: str = "holds", host: str | None = None) -> "subprocess.Popen[str]":
    arguments = ["-c", HOLDER, str(path), what]
    process = (
        hosts.on(host, arguments) if host else subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()


elsewhere = pytest.mark.skipif(hosts.way() is None, reason="this system permits no namespaces")


def test_a_lease_is_free_as_soon_as_its_process_was_killed_on_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder/lease"
    process = holder(path)
    assert is_leased(path)
    with pytest.raises(LeaseHeldError) as caught, leased(path, wait_s=0):
        pass
    assert caught.value.holder == str(process.pid)
    end(process)
    assert not is_leased(path) and path.exists()
    monkeypatch.setattr(markers, "EXPIRY_S", 600.0)
    with leased(path, wait_s=0):
        assert markers.words(markers.owner_of(path)) == str(os.getpid())
    assert not path.exists()


def test_whoever_waits_takes_a_lease_when_it_is_free_or_gives_up_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    process = holder(path)
    asked: list[bool] = []
    with pytest.raises(LeaseHeldError), leased(path, gives_up=lambda: asked.append(True) or len(asked) > 1):
        pass
    os.kill(process.pid, signal.SIGKILL)  # while the next one waits, or before
    with leased(path, wait_s=PATIENCE_S):
        process.wait()
    end(process)


def test_looking_at_a_lease_creates_nothing_and_needs_no_permission(tmp_path: Path) -> None:
    assert not is_leased(tmp_path / "missing/lease")
    assert list(tmp_path.iterdir()) == []
    with leased(tmp_path / "lease"):
        (tmp_path / "lease").chmod(0o444)
        tmp_path.chmod(0o555)
        assert is_leased(tmp_path / "lease") and is_leased(tmp_path / "lease")
        tmp_path.chmod(0o755)
    assert list(tmp_path.iterdir()) == []


def test_a_lease_that_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/lease: the lock cannot be written \(.+\); a file is where a folder has to be"):
        with leased(tmp_path / "file/lease"):
            pass


@pytest.mark.patient
def test_a_marker_that_was_never_written_expires(tmp_path: Path) -> None:
    """Its process was killed between creating and writing it."""
    (tmp_path / "lease").touch()
    with pytest.raises(LeaseHeldError), leased(tmp_path / "lease", gives_up=lambda: True):
        pass
    with leased(tmp_path / "lease", wait_s=0) as lease:
        assert lease.ours()


@pytest.mark.patient
@pytest.mark.parametrize("dies", [True, False])
def test_a_lease_is_taken_on_a_file_system_that_cannot_exchange_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """As NFS answers; filelock alone would wait for ever."""
    monkeypatch.setattr("filelock._util._rename_call", lambda: (lambda *_: errno.EINVAL, 2))
    monkeypatch.setattr(markers, "_GRACE_S", 0.1)
    process = holder(tmp_path / "lease")
    if dies:
        monkeypatch.setattr(markers, "EXPIRY_S", 600.0)
        end(process)
    else:
        process.send_signal(signal.SIGSTOP)
    with leased(tmp_path / "lease", wait_s=None) as lease:
        assert lease.ours()
        assert [path.name for path in tmp_path.iterdir()] == ["lease"]
    end(process)


def test_a_marker_that_is_not_the_one_that_was_watched_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes have seen a lease expire; the slower one finds that of the faster one."""
    (tmp_path / "lease").write_text("expired")
    watch = markers.Watch(tmp_path / "lease")
    watch.look()
    (tmp_path / "lease").unlink()
    with leased(tmp_path / "lease") as lease:
        monkeypatch.setattr(
            markers, "_state", lambda path, state=markers._state: state(path) if "expired" in path.name else watch._state
        )
        watch.break_it()
        assert lease.ours()
        assert [path.name for path in tmp_path.iterdir()] == ["lease"]


def test_a_watch_with_a_gap_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file server was away, the holder could not show that it lives."""
    clock = [0.0]
    monkeypatch.setattr(markers.time, "monotonic", lambda: clock[0])
    (tmp_path / "lease").touch()
    watch = markers.Watch(tmp_path / "lease")
    for _ in range(10):
        assert not watch.look()
        clock[0] += 0.05
    watch.look()
    assert watch.unchanged_s == pytest.approx(0.5)
    clock[0] += 100
    assert watch.look()
    assert watch.unchanged_s == 0


def test_what_was_lost_is_not_written(tmp_path: Path) -> None:
    file, kept = tmp_path / "file", tmp_path / "other"
    with leased(tmp_path / "lease") as lease, written_under(lease, [file]):
        write_atomic(file, b"mine")
        (tmp_path / "lease").unlink()
        assert lease.ours(60.0), "within that time it is not looked at again"
        with pytest.raises(LeaseLostError, match="was taken over by another process"):
            write_atomic(file, b"not mine")
        (tmp_path / "lease").touch()
        assert not lease.ours(60.0), "what was lost stays lost"
    assert file.read_bytes() == b"mine"
    assert not list(half_written([file]))
    write_atomic(kept, b"without a lease")


def test_what_another_has_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine = [tmp_path / ".file.abcdefgh", tmp_path / "local/.file.12345678"]
    others = [tmp_path / name for name in (".other.abcdefgh", "file", ".file.abc", "local/.kept.12345678")]
    (tmp_path / "local").mkdir()
    for path in (*mine, *others):
        path.touch()
    with leased(tmp_path / "lease") as lease, written_under(lease, [tmp_path / "file", tmp_path / "local/file"]):
        assert not any(path.exists() for path in mine)
        assert all(path.exists() for path in others)


@pytest.mark.patient
@elsewhere
def test_who_is_frozen_between_its_look_and_its_rename_writes_nothing_when_it_wakes(tmp_path: Path) -> None:
    process = holder(tmp_path / "lease", "writes", "other")
    assert comes_true(lambda: list(half_written([tmp_path / "file"])))
    with leased(tmp_path / "lease") as lease, written_under(lease, [tmp_path / "file"]):
        write_atomic(tmp_path / "file", b"of the next one")
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=PATIENCE_S)[0].startswith("lost: ")
        assert lease.ours()
    assert (tmp_path / "file").read_bytes() == b"of the next one"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.patient
@elsewhere
def test_the_lease_of_a_dead_host_expires_and_is_seen_until_then(tmp_path: Path) -> None:
    process = holder(tmp_path / "lease", host="other")
    assert is_leased(tmp_path / "lease")
    end(process)
    began = time.monotonic()
    assert is_leased(tmp_path / "lease"), "nobody here can know yet"
    with leased(tmp_path / "lease", wait_s=0):
        assert time.monotonic() - began >= EXPIRY_S
    assert not is_leased(tmp_path / "lease")


@pytest.mark.patient
@elsewhere
@pytest.mark.parametrize("what", ["holds", "works"])
def test_the_lease_of_a_live_host_never_expires(tmp_path: Path, what: str) -> None:
    process = holder(tmp_path / "lease", what, "other")
    until = time.monotonic() + 4 * EXPIRY_S
    with pytest.raises(LeaseHeldError) as caught, leased(tmp_path / "lease", gives_up=lambda: time.monotonic() > until):
        pass
    assert caught.value.holder == f"{process.pid} on other"
    with pytest.raises(LeaseHeldError), leased(tmp_path / "lease", wait_s=0):
        pass  # the next heartbeat decides
    end(process)


@pytest.mark.patient
@elsewhere
def test_two_hosts_have_the_same_process_id_and_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    process = holder(tmp_path / "lease", host="other")
    owner = markers.owner_of(tmp_path / "lease")
    assert owner is not None and owner.hostname.startswith("other") and owner.hostname != markers.this_host()
    end(process)
    assert not markers._is_dead(owner), "its process id says nothing here"

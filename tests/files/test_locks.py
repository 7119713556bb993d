"""Locks between processes: they end with the process, and looking at one changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files.locks import LockHeldError, is_locked, locked

HOLDER = """
import sys, time
from pathlib import Path
from m2pt.files.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_freed_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder/lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert is_locked(path)
        with pytest.raises(LockHeldError) as caught, locked(path, wait_s=0.1):
            pass
        assert caught.value.holder == str(holder.pid)
        holder.kill()
    assert not is_locked(path)
    with locked(path, wait_s=0):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_is_freed_in_time_is_taken(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("600", "0.2"), str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with locked(tmp_path / "lock", wait_s=60):
            assert is_locked(tmp_path / "lock")


def test_looking_at_a_lock_creates_nothing_and_does_not_hold_it(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "missing/lock")
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock") and is_locked(tmp_path / "lock")
    (tmp_path / "lock").chmod(0o444)
    assert not is_locked(tmp_path / "lock")


def test_a_lock_that_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/lock: the lock cannot be written \(.+\); a file is where a folder has to be"):
        with locked(tmp_path / "file/lock"):
            pass

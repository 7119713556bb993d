"""Boundaries: each operation on files of a project that our code does, at which a process can be killed from within.

A boundary is (kind of process, operation, path with what differs between two executions left out, function of ours that does it).
`install` wraps the operations of Python by which ours and our libraries write: files opened for writing, `os`, `flock`, and
commits of SQLite, whose inner writes count as one. Below that only h5py and FFmpeg write, into a folder that is renamed later.

The variable M2PT_FAULTS holds a `Fault` as JSON; `shim/sitecustomize.py` installs it in every Python process that is started.
This file is imported first of all in a process, so it imports nothing of ours.
"""

import builtins
import fcntl
import io
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "M2PT_FAULTS"
SHIM = str(Path(__file__).resolve().parent / "shim")
_OURS = re.compile(r".*/(m2pt|pipelines)/(.*)\.py")
_LEFT_OUT = (".prefect/", ".m2pt/matplotlib/", ".m2pt/logs/", "out.txt")
"""What Prefect and matplotlib keep for themselves, and what nobody reads again."""

_real_open, _real_write, _real_os_open = io.open, os.write, os.open

_NAMES = (
    (re.compile(r"^((?:runs|encoders)/\w+/(?:\.\w+/)?)[^/.]+"), r"\1RUN"),
    (re.compile(r"^build/\w+/reports/.*/(\.?)[^/]+$|^build/\w+/reports/(\.?)[^/]+$"), r"build/STUDY/reports/\1\2*"),
    (re.compile(r"^(mlartifacts|tmp)/.*"), r"\1/*"),
    (re.compile(r"^tmp\w{8}$"), "TMP"),
    (re.compile(r"\.making-\w+"), ".making-TMP"),
    (re.compile(r"(\.making-TMP/\w+)/.*"), r"\1/*"),
    (re.compile(r"/\.([^/]+)\.[a-z0-9_]{8}$"), r"/.\1.TMP"),
    (re.compile(r"\b[0-9a-f]{8,}(-[0-9a-f]{4,})*\b"), "HASH"),
    (re.compile(r"\b(pretrain|train|val|test)\b"), "SPLIT"),
    (re.compile(r"(?<!m)\d+"), "N"),
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is to happen in the processes of a project: boundaries are noted in a file, one is deadly, one thing goes wrong."""

    root: str
    log: str = ""
    """Where each boundary is noted when a process comes to it first."""

    deadly: str = ""
    """The boundary at which a process is killed, once in a project."""

    when: str = "before"
    """`before`, `after`, or `half`: after half of a write."""

    skips: int = 0
    """How often a process comes there before it dies."""

    mutation: str = ""
    """`rename`, `lock` or `point`: what the harness has to notice (`mutations.py`)."""

    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to install this."""
        return {VARIABLE: json.dumps(asdict(self)), "PYTHONPATH": SHIM}


def pattern(path: str, root: str) -> str | None:
    """A path below the project with what differs between executions left out; None for what is not the project's."""
    path = os.path.normpath(f"{Path.cwd()}/{path}" if path[:1] != "/" else path)
    if not path.startswith(f"{root}/"):
        return None
    name = path[len(root) + 1 :]
    if name.startswith(_LEFT_OUT):
        return None
    for regex, to in _NAMES:
        name = regex.sub(to, name)
    return name


class Watcher:
    """Sees each operation of this process before and after it is done."""

    def __init__(self, fault: Fault, kind: str) -> None:
        self._fault = fault
        self._kind = kind
        self._seen: set[str] = set()
        self._skips = fault.skips

    def boundary(self, operation: str, path: Any) -> str | None:
        """The boundary that this process is at; None if it is none of ours."""
        found = self._place(sys._getframe(2))
        if found is None or found[1].endswith("<module>"):  # while a library is imported
            return None
        if isinstance(path, int):
            path = str(Path(f"/proc/self/fd/{path}").readlink())
            if not path.startswith("/"):  # a pipe
                return None
        name = pattern(os.fsdecode(path), self._fault.root)
        if name is None:
            return None
        kind = "job" if name.endswith("/local/lease") else found[0]
        key = f"{kind} | {operation} | {name} | {found[1]}"
        if key not in self._seen:
            self._seen.add(key)
            self._note(key)
        return key

    def ends(self, key: str | None, when: str) -> None:
        """Kill this process if this is where it is to die."""
        if self.dies(key, when):
            os.kill(os.getpid(), signal.SIGKILL)

    def dies(self, key: str | None, when: str) -> bool:
        """Whether this is where the first process that comes here is to die."""
        if key is None or key != self._fault.deadly or when != self._fault.when:
            return False
        if self._skips > 0:
            self._skips -= 1
            return False
        try:
            os.close(_real_os_open(f"{self._fault.root}.died", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _note(self, key: str) -> None:
        if self._fault.log:
            handle = _real_os_open(self._fault.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            _real_write(handle, f"{key}\n".encode())
            os.close(handle)

    def _place(self, frame: FrameType | None) -> tuple[str, str] | None:
        """The kind of process, and the innermost function of ours on the stack.

        A heartbeat has a thread of its own, which the package filelock starts. A job counts as one wherever it is done.
        """
        place, kind, beats = "", self._kind, False
        while frame is not None:
            file = frame.f_code.co_filename
            if "site-packages" in file:
                beats = beats or "/filelock/" in file
            elif ours := _OURS.fullmatch(file):
                module = f"{ours[1]}.{ours[2].replace('/', '.')}"
                place = place or f"{module}.{frame.f_code.co_qualname}"
                if module == "m2pt.job":
                    kind = "job"
            frame = frame.f_back
        if place.startswith("pipelines.tracking"):
            kind = "publisher"
        return (kind, place) if place else (kind, "filelock.heartbeat") if beats else None


def _kind() -> str:
    with _real_open("/proc/self/cmdline", "rb") as file:
        words = file.read().decode().split("\0")
    if "m2pt.job" in words:
        return "job"
    return "driver" if "pipelines" in words else "other"


def install(fault: Fault, kind: str | None = None) -> None:
    """Wrap the operations of this process."""
    watcher = Watcher(fault, kind or _kind())
    _wrap_os(watcher)
    _wrap_files(watcher)
    _wrap_sqlite(watcher)


def _wrap_os(watcher: Watcher) -> None:
    def wrapped(real: Callable[..., Any], operation: str, which: int = 0) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            path = given[which]
            if (folder := named.get("dir_fd")) is not None:
                path = f"{Path(f'/proc/self/fd/{folder}').readlink()}/{os.fsdecode(path)}"
            key = watcher.boundary(operation, path)
            watcher.ends(key, "before")
            if operation in ("write", "pwrite") and watcher.dies(key, "half"):
                real(given[0], given[1][: len(given[1]) // 2], *given[2:])
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return real(*given, **named)
            finally:  # also of one that the system refuses, such as a folder that is there
                watcher.ends(key, "after")

        return call

    for name in ("unlink", "remove", "rmdir", "mkdir", "truncate", "ftruncate", "fsync", "fdatasync", "utime", "write", "pwrite"):
        setattr(os, name, wrapped(getattr(os, name), "unlink" if name == "remove" else name))
    for name in ("rename", "replace", "link", "symlink"):
        setattr(os, name, wrapped(getattr(os, name), "rename" if name == "replace" else name, which=1))
    fcntl.flock = wrapped(fcntl.flock, "flock")
    fcntl.flock = _with_file_numbers(fcntl.flock)
    os.supports_fd.add(os.utime)
    os.supports_dir_fd.update({os.unlink, os.rmdir})

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if not flags & os.O_CREAT:
            return _real_os_open(path, flags, *rest, **named)
        key = watcher.boundary("create", path)
        watcher.ends(key, "before")
        handle = _real_os_open(path, flags, *rest, **named)
        watcher.ends(key, "after")
        return handle

    os.open = opened
    os.supports_dir_fd.add(opened)


def _with_file_numbers(real: Callable[[int, int], None]) -> Callable[[Any, int], None]:
    return lambda file, how: real(file if isinstance(file, int) else file.fileno(), how)


def _wrap_files(watcher: Watcher) -> None:
    class Raw(io.FileIO):
        """A file that is written."""

        def write(self, content: Any) -> int:
            key = watcher.boundary("write", self.fileno())
            watcher.ends(key, "before")
            if watcher.dies(key, "half"):
                super().write(memoryview(content).cast("B")[: memoryview(content).nbytes // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            written = super().write(content)
            watcher.ends(key, "after")
            return written

        def truncate(self, size: int | None = None) -> int:
            key = watcher.boundary("truncate", self.fileno())
            watcher.ends(key, "before")
            result = super().truncate(size)
            watcher.ends(key, "after")
            return result

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None,
        closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        is_number = isinstance(file, int)
        if not set(mode) & set("wax") or (not is_number and pattern(os.fsdecode(file), watcher._fault.root) is None):
            return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        plain = mode.replace("t", "").replace("b", "").replace("U", "")
        key = None if is_number else watcher.boundary("create", file)
        watcher.ends(key, "before")
        raw = Raw(file, plain, closefd, opener)
        watcher.ends(key, "after")
        if buffering == 0:
            return raw
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode
        return text

    io.open = builtins.open = opened


def _wrap_sqlite(watcher: Watcher) -> None:
    class Connection(sqlite3.Connection):
        """A connection to a database."""

        def __init__(self, database: Any, *given: Any, **named: Any) -> None:
            super().__init__(database, *given, **named)
            self.path = os.fsdecode(database)

        def _bounded(self, real: Callable[[], Any]) -> Any:
            key = watcher.boundary("commit", self.path) if self.in_transaction else None
            watcher.ends(key, "before")
            result = real()
            watcher.ends(key, "after")
            return result

        def commit(self) -> None:
            self._bounded(super().commit)

        def __exit__(self, *error: Any) -> Any:
            leave = super().__exit__
            return self._bounded(lambda: leave(*error))

    real = sqlite3.connect

    def connect(*given: Any, **named: Any) -> Any:
        return real(*given, **{"factory": Connection, **named})

    sqlite3.connect = sqlite3.dbapi2.connect = connect


def install_declared() -> None:
    """Install what the environment declares; without the variable nothing happens."""
    if VARIABLE not in os.environ or "server_process" in " ".join(sys.orig_argv):
        return
    fault = Fault(**json.loads(os.environ[VARIABLE]))
    if any(word in ("pipelines", "m2pt.job") for word in sys.orig_argv):
        install(fault)

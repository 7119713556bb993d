"""Leases: locks for what other hosts may touch too, in a folder that they share. What is of one host has `m2pt.files.locks`.

Between hosts `flock` does nothing on some mounts of NFS and Lustre and fails on others. A lease is a file, its marker, that is
there while the lease is held: `filelock.SoftFileLease` creates it (exclusively), writes host, process and a token into it, and
a thread of the holder sets its time every `HEARTBEAT_S`. The lease of a process that has died on this host is taken at once.
Any other is taken when its marker has not changed for `EXPIRY_S`: that of a dead host expires, that of a live one never does.

The rule for clocks: no clock of one host is compared with that of another. Who waits watches the marker by its own monotonic
clock, and a watch with a gap (this process was frozen, or the file server away) begins again. Only `is_leased`, which shows
what runs and cannot watch for long, compares the marker's time with this host's clock, and allows a minute between clocks.

A holder that was frozen for longer than that has lost its lease without knowing it. So it has to ask (`Lease.ours`) before it
goes on, and within `fenced` every file is written under that question. What if it is frozen between the answer and the rename
that follows? A new holder first removes what others had half written (`documents.written_under`). The answer was true, so it
was given before the takeover; the temporary file is older still; so it is removed, and the rename that comes late finds nothing
to rename. An append that comes late goes to a file that the new holder has replaced by then (`m2pt.training.journal`). Removals
that come late cost at most time: of a checkpoint, a failure's reason, or what is known of an attempt in case that it is killed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from filelock import LeaseCompromise, LeaseSettingsMismatch, SoftFileLease, Timeout

from m2pt.config import UserError
from m2pt.files import markers
from m2pt.files.access import way_to_write

_POLL_S = (0.05, 0.5)
"""How long a wait sleeps between two looks, at first and later."""

_TOLD_AFTER_S = 1.0

_BLINK_S = 0.1
"""A contender that is about to find out that a marker is alive may exchange it for a moment."""


class LeaseHeldError(Exception):
    """Another process holds a lease; `holder` says which: its process id, with its host unless that is this one."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path}: is held by another process (pid {holder})")
        self.holder = holder


class LeaseLostError(Exception):
    """Another process may have taken the lease of this one, which therefore writes nothing any more."""


class Lease:
    """A lease that this process has taken, and may have lost since; `lost` is called from another thread when that shows."""

    def __init__(self, path: Path, lost: Callable[[], None] | None = None) -> None:
        self.path = path
        self._tell = lost
        self._lost = False
        self._proven = 0.0
        self._token: str | None = None
        self._claim = self._new_claim()

    def ours(self, within_s: float = 0.0) -> bool:
        """Whether it is still this process's, as its marker says now, or said less than `within_s` seconds ago.

        A lease that was lost once stays lost.
        """
        now = time.monotonic()
        if self._lost or now - self._proven < within_s:
            return not self._lost
        if not self._is_marked():
            time.sleep(_BLINK_S)
            self._lost = not self._is_marked()
        self._proven = now
        return not self._lost

    def require(self) -> None:
        """Raise `LeaseLostError` unless it is still this process's, as its marker says now."""
        if not self.ours():
            raise LeaseLostError(f"{self.path}: was taken over by another process")

    def _is_marked(self) -> bool:
        owner = self._claim.owner
        return owner is not None and owner.token == self._token

    def try_to_take(self) -> bool:
        """Take it if it is free, or its holder has died on this host, or this object has seen it expire."""
        try:
            self._claim.acquire(timeout=0)
        except (Timeout, LeaseSettingsMismatch):
            return False
        self._token = self._claim.token
        self._proven = time.monotonic()
        return True

    def forget(self) -> None:
        """Begin the watch of another's marker again."""
        self._claim = self._new_claim()

    def release(self) -> None:
        """Give it back. The marker of a successor stays."""
        with suppress(OSError):
            self._claim.release()

    def _new_claim(self) -> SoftFileLease:
        return SoftFileLease(
            self.path,
            lease_duration=markers.EXPIRY_S,
            heartbeat_interval=markers.HEARTBEAT_S,
            on_compromise=self._compromised,
            thread_local=False,
        )

    def _compromised(self, _: LeaseCompromise) -> None:
        self._lost = True
        if self._tell is not None:
            self._tell()


@contextmanager
def leased(
    path: Path,
    wait_s: float | None = None,
    *,
    lost: Callable[[], None] | None = None,
    gives_up: Callable[[], bool] = lambda: False,
    waits: Callable[[str], None] = lambda _: None,
) -> Iterator[Lease]:
    """Hold the lease with this marker.

    Args:
        path: the marker; it exists only while somebody holds the lease, or has died without giving it back.
        wait_s: how long to wait for a holder that lives; None waits until it ends. A holder on another host, of which nothing is
            known yet, is watched until its next heartbeat, or until its lease expires.
        lost: called once, from another thread, if the lease turns out to be lost.
        gives_up: asked while it waits; if it says so, that is the end of the waiting.
        waits: told once for whom, if it waits for seconds.

    Raises:
        LeaseHeldError: another process still holds the lease, and lives.
        UserError: the marker cannot be written.

    """
    lease = Lease(path, lost)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(lease, wait_s, gives_up, waits)
    except OSError as error:
        raise UserError(f"{path}: the lock cannot be written ({error.strerror or error}); {way_to_write(error)}.") from error
    try:
        yield lease
    finally:
        lease.release()


def _take(lease: Lease, wait_s: float | None, gives_up: Callable[[], bool], waits: Callable[[str], None]) -> None:
    began, told = time.monotonic(), False
    until = None if wait_s is None else began + wait_s
    watch = markers.Watch(lease.path)
    pause = _POLL_S[0]
    while True:
        if watch.look():
            lease.forget()
        if lease.try_to_take():
            return
        owner = watch.owner
        if gives_up() or (until is not None and time.monotonic() >= until and watch.shows_life):
            raise LeaseHeldError(lease.path, markers.words(owner))
        if not told and time.monotonic() >= began + _TOLD_AFTER_S:
            told = True
            waits(markers.words(owner))
        if watch.unchanged_s >= watch.patience_s:
            watch.break_it()
        time.sleep(pause)
        pause = min(2 * pause, _POLL_S[1], max(markers.HEARTBEAT_S / 4, _POLL_S[0]))


_FENCES: ContextVar[tuple[Lease, ...]] = ContextVar("fences", default=())


@contextmanager
def fenced(lease: Lease) -> Iterator[None]:
    """While the context is open, `require_leases` asks for this one too."""
    mark = _FENCES.set((*_FENCES.get(), lease))
    try:
        yield
    finally:
        _FENCES.reset(mark)


def require_leases() -> None:
    """Raise `LeaseLostError` unless every lease that fences the present context is still this process's."""
    for lease in _FENCES.get():
        lease.require()

"""The marker of a lease: the file that says who holds it, and what another process can know of that holder by watching it."""

import errno
import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

from filelock import OwnerRecord, SoftFileLease

EXPIRY_S = 30.0
"""How long a marker must not change before another host may take it. The same for all who share a folder."""

HEARTBEAT_S = 5.0
"""How often its holder sets its time."""

_SKEW_S = 60.0
"""What `is_leased` allows between this host's clock and the file server's."""

_GRACE_S = 1.5
"""Who waits leaves the taking to filelock for so long: it exchanges two names, which NFS and Lustre cannot."""

_INITIAL_NAMESPACE = 0xEFFFFFFC
"""The inode of a Linux host's own namespace of processes, which is no part of its name in a marker."""


class Watch:
    """What a waiting process has seen of a marker, by its own monotonic clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int, int] | None = None
        self._since = self._looked = time.monotonic()
        self._changed = False
        self.owner: OwnerRecord | None = None

    def look(self) -> bool:
        """Look at the marker; returns whether the look before is too long ago, so that the watch begins again.

        While this process was frozen or the file server away, the holder may have been as well.
        """
        owner, state = owner_of(self._path), _state(self._path)
        now = time.monotonic()
        gap, self._looked = now - self._looked > EXPIRY_S / 3, now
        if state != self._state or gap:
            self._changed = self._changed or (self._state is not None and state != self._state)
            self._state, self._since = state, now
        self.owner = owner
        return gap

    @property
    def unchanged_s(self) -> float:
        """For how long the marker has not changed."""
        return self._looked - self._since if self._state is not None else 0.0

    @property
    def shows_life(self) -> bool:
        """Whether a holder is known to live: its process runs on this host, or a heartbeat came while this one watched."""
        if self.owner is not None and self.owner.hostname == this_host():
            return not _is_dead(self.owner)
        return self._changed

    @property
    def patience_s(self) -> float:
        """How long the marker must not change before `break_it`: filelock has had time to take it, and could not."""
        if self.owner is not None and _is_dead(self.owner):
            return _GRACE_S
        return max(EXPIRY_S, (self.owner and self.owner.lease_duration) or 0.0) + _GRACE_S

    def break_it(self) -> None:
        """Remove the marker, on a file system that cannot exchange two names; or one that its holder died before it wrote.

        Only a rename tells which marker it took. If that is not the one that was watched, it goes back, and if a third process
        was faster, the holder whose marker it is finds its lease lost: it stops, and two never write.
        """
        aside = self._path.with_name(f"{self._path.name}.expired.{secrets.token_hex(8)}")
        with suppress(OSError):
            if _state(self._path) != self._state or self._state is None:
                return
            self._path.rename(aside)
            taken = _state(aside)
            if taken is None or taken[:2] != self._state[:2]:  # a rename changes the third
                os.link(aside, self._path)
        aside.unlink(missing_ok=True)


def is_leased(path: Path) -> bool:
    """Whether a process seems to hold a lease. Creates no file, and needs no permission to write.

    For those who show what runs, or leave folders alone in which somebody works. They cannot watch for long, so this compares the
    time of the file with this host's clock, and is right as long as that and the file server's differ by less than a minute. Of a
    host that has just died it says for up to a minute and a half that it works.
    """
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:
        return False
    owner = owner_of(path)
    return age_s < EXPIRY_S + _SKEW_S and not (owner is not None and _is_dead(owner))


def this_host() -> str:
    """The host as markers name it: by its name, and its namespace of processes if that is not the host's own."""
    with suppress(OSError):
        namespace = Path("/proc/self/ns/pid").stat().st_ino
        if namespace != _INITIAL_NAMESPACE:
            return f"{socket.gethostname()}?pidns-{namespace:x}"
    return socket.gethostname()


def words(owner: OwnerRecord | None) -> str:
    """A holder as sentences name it: its process id, with its host unless that is this one."""
    if owner is None:
        return "unknown"
    return f"{owner.pid}" if owner.hostname == this_host() else f"{owner.pid} on {owner.hostname.partition('?')[0]}"


def owner_of(path: Path) -> OwnerRecord | None:
    """Who holds a lease, or died while holding it; None if nobody does, or it is not written yet."""
    return SoftFileLease(path, lease_duration=EXPIRY_S).owner


def _state(path: Path) -> tuple[int, int, int] | None:
    """Changes with every heartbeat and every new marker; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _is_dead(owner: OwnerRecord) -> bool:
    """Whether a holder is known to be dead: it was on this host, and is no more than what its parent has not yet noticed."""
    if owner.hostname != this_host():
        return False
    try:
        os.kill(owner.pid, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    with suppress(OSError):
        return Path(f"/proc/{owner.pid}/stat").read_bytes().rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
    return False

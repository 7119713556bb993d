"""SQLite files: reading them without changing them, how much smaller one gets without some rows, and removing these rows."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

_BUSY_LIMIT_S = 5.0
_SHARED_FIRST, _SHARED_BYTES = 0x40000002, 510
Statements = Sequence[tuple[str, Sequence[str]]]
"""SQL statements with their values."""


def reading(path: Path) -> "closing[sqlite3.Connection]":
    """A connection that cannot change the file."""
    return closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_BUSY_LIMIT_S))


def is_database(path: Path) -> bool:
    """Whether a file is one of SQLite, by its first bytes."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def would_free(path: Path, statements: Statements) -> int:
    """By how many bytes a file gets smaller if these statements are executed and it is rewritten; tried on a temporary copy."""
    with reading(path) as source, closing(sqlite3.connect("", isolation_level=None)) as copy:
        source.backup(copy)
        execute(copy, statements)
        copy.execute("VACUUM")
        after = _pragma(copy, "page_count") * _pragma(copy, "page_size")
    log = path.with_name(f"{path.name}-wal")
    return max(0, path.stat().st_size + (log.stat().st_size if log.is_file() else 0) - after)


def has_free_pages(path: Path) -> bool:
    """Whether a file has space in it that rows no longer use."""
    with reading(path) as connection:
        return _pragma(connection, "freelist_count") > 0


def execute(connection: sqlite3.Connection, statements: Statements) -> None:
    """Execute statements in one transaction, with what hangs on a removed row removed too."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            connection.execute(statement, values)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def rewrite(path: Path, statements: Statements = (), *, alone: bool = False) -> None:
    """Execute statements in one transaction, and make the file as small as what is left in it.

    `alone` refuses (sqlite3.OperationalError) while another process has the file open.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY_LIMIT_S, isolation_level=None)) as connection:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        execute(connection, statements)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_open_elsewhere(path: Path) -> bool:
    """Whether another process has the file open. Changes nothing, where SQLite itself would merge the log of a killed process.

    In WAL mode every connection holds a shared lock on these bytes (https://sqlite.org/src/file/src/os.h). Not for a process
    that has the file open itself: the system gives its locks back when one of its handles is closed.
    """
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES) and os.access(path, os.W_OK)
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

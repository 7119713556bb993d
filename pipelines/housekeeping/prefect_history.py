"""What can be removed of Prefect: the history of flows that have ended, and the copy of its pages.

Prefect only shows what goes on; the records of the runs decide. What a person has put into its database (deployments, schedules,
variables, blocks, automations) and flow runs that wait to go on stay.
"""

import os
import sqlite3
from functools import partial
from pathlib import Path

from m2pt.config import UserError
from m2pt.files.locks import LockHeldError, locked
from pipelines.housekeeping.databases import Statements, is_database, is_open_elsewhere, reading, rewrite, would_free
from pipelines.housekeeping.garbage import Garbage, Kind, Listing
from pipelines.housekeeping.sizes import Size, why_left
from pipelines.scheduling.killed import forget, killed

_WAITING = "('SCHEDULED', 'PAUSED')"
_STATEMENTS: Statements = [
    # Without a server nothing is going on: a run that says so was killed.
    (f"DELETE FROM flow_run WHERE coalesce(state_type, '') NOT IN {_WAITING}", ()),
    ("DELETE FROM log WHERE flow_run_id NOT IN (SELECT id FROM flow_run)", ()),
    ("DELETE FROM artifact WHERE flow_run_id NOT IN (SELECT id FROM flow_run)", ()),
    ("DELETE FROM artifact_collection WHERE latest_id NOT IN (SELECT id FROM artifact)", ()),
    (
        "DELETE FROM events WHERE NOT EXISTS (SELECT 1 FROM flow_run WHERE events.resource_id LIKE '%' || flow_run.id"
        " OR events.related_resource_ids LIKE '%' || flow_run.id || '%')",
        (),
    ),
    ("DELETE FROM event_resources WHERE event_id NOT IN (SELECT id FROM events)", ()),
]


def prefect_history() -> Listing:
    """What can be removed below `PREFECT_HOME`, if that is in this folder and no server uses it."""
    listing = Listing()
    home = Path(os.environ.get("PREFECT_HOME", ".prefect")).absolute()
    if not home.is_relative_to(Path.cwd()):
        listing.left.append(f"PREFECT_HOME: {home} stays: it is not in this folder.")
        return listing
    home = home.relative_to(Path.cwd())
    database = home / "prefect.db"
    listing.add_rest(Kind.PREFECT, home)
    if not is_database(database):
        return listing
    if reason := why_left(home):
        listing.left.append(f"{home}: stays: {reason}.")
        return listing
    try:
        if is_open_elsewhere(database):
            listing.left.append(f"{home}: stays: a Prefect server uses it; end `m2pt serve`, `m2pt ui` or what else started it.")
            return listing
        with reading(database) as connection:
            query = f"SELECT count(*) FROM flow_run WHERE coalesce(state_type, '') NOT IN {_WAITING}"
            ended = int(connection.execute(query).fetchone()[0])
        if ended:
            size = Size(would_free(database, _STATEMENTS))
            words = f"the history of {ended} {'flow run that has' if ended == 1 else 'flow runs that have'} ended"
            listing.garbage.append(Garbage(Kind.PREFECT, str(database), words, size, partial(_remove, home, database)))
    except (sqlite3.Error, OSError) as error:
        listing.left.append(f"{database}: stays: it cannot be read ({error}).")
        return listing
    if (home / "ui").is_dir():
        listing.add_folder(Kind.PREFECT, home / "ui", home, "a copy of Prefect's pages, made again by the next server")
    return listing


def _remove(home: Path, database: Path) -> None:
    """Remove the history in one transaction, while no server is there or starts."""
    try:
        with locked(home / "server.lock", wait_s=0):
            rewrite(database, _STATEMENTS, alone=True)
        for flow_run in killed():
            forget(flow_run)
    except LockHeldError as error:
        raise UserError(f"{database}: a Prefect server is starting (pid {error.holder}); end it, then try again.") from None
    except sqlite3.Error as error:
        raise UserError(f"{database}: cannot be made smaller ({error}); end what uses it, then try again.") from error

"""`status --watch`: what goes on in a study, drawn again and again in a terminal until Ctrl-C."""

import os
import sys
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState
from pipelines.commands.status_document import Status, status_of
from pipelines.commands.status_text import failure_lines, going_lines, study_line
from pipelines.execution.program import as_called
from pipelines.planning.plan import Plan, resolve

_INDENT = "  "
_LEAST_WAIT_S = 1.0
_WAIT_PER_LOOK = 5.0
"""Looking takes a sixth of the time at most: a study of many runs is looked at less often."""


def require_terminal() -> None:
    """Raise `UserError` where nothing can be drawn again."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise UserError("--watch: needs a terminal that can be drawn again; for a file or a program, call `m2pt status --json`.")


def watch(study: Study, option: str = "") -> int:
    """Draw the status of a study until Ctrl-C, with advice that names it by `option`; returns 1 if a run has failed."""
    require_terminal()
    console = Console(file=sys.stdout, highlight=False)
    status = status_of(resolve(study, to_look=True))
    with Live(_drawn(status, console, option), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                begun = time.monotonic()
                status = status_of(_looked_again(status))
                live.update(_drawn(status, console, option), refresh=True)
                time.sleep(max(_LEAST_WAIT_S, _WAIT_PER_LOOK * (time.monotonic() - begun)))
        except KeyboardInterrupt:  # how it is meant to end
            return 1 if status.failed else 0


def _looked_again(status: Status) -> Plan:
    """The plan as it is now; it is made anew only while runs wait for what is made, or more of them come."""
    plan = status.plan
    if RunState.WAITING in status.states.values() or plan.to_come:
        return resolve(plan.study, None if plan.missing_data or plan.faults else plan.prints.data, to_look=True)
    return plan


def _drawn(status: Status, console: Console, option: str) -> Text:
    """As many lines as there is room for, each cut at the width of the terminal."""
    failed = [*status.plan.faults, *failure_lines(status)]
    room = console.height - 3
    told = (
        failed
        if len(failed) <= max(1, room // 3)
        else [*failed[: max(0, room // 3 - 1)], f"`m2pt status{option}` names all that failed"]
    )
    head = [study_line(status)]
    below = going_lines(status, max(1, room - len(head) - len(told) - 3), console.width - len(_INDENT) - 1, option)
    moment = time.strftime("%H:%M:%S")
    lines = [*head, *(f"{_INDENT}{as_called(line)}" for line in (*below, *told)), "", f"{moment}, Ctrl-C ends the watch alone"]
    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

"""The text of `status`: a line for the study, a table of what goes on, and why runs failed."""

from collections import Counter
from datetime import UTC, datetime

from m2pt.runs.failure import by_reason
from m2pt.runs.identity import run_id
from pipelines.commands.status_document import Status, failure_of
from pipelines.execution.display.view import about, duration
from pipelines.execution.going import Going

_HEAD = ("run", "where", "since", "passed", "done", "until about")
_GAP = "  "
_NAMED = 3
_SHORTEST = 12
"""Letters of a name that are always shown."""


def study_line(status: Status) -> str:
    """How many runs there are, in all and in each state."""
    counts = Counter(status.states[status.plan.label(spec)] for spec in status.plan.specs)
    parts = [f"{count} {state}" for state, count in counts.most_common()]
    return f"{status.plan.study.study}: {counts.total()} ({', '.join(parts)})" if parts else f"{status.plan.study.study}: none"


def going_lines(status: Status, most: int | None = None, width: int | None = None, option: str = "") -> list[str]:
    """Who does the study, until when, how much of its budget is used; then a table of what goes on.

    It has `most` runs, and names are cut so that it is `width` letters wide; without these it is whole.
    `option` is what names the study to a command.
    """
    lines = []
    if status.doer is not None or status.running:
        who = f"done by `m2pt` ({status.doer})" if status.doer is not None else "done by jobs that no command waits for"
        left = f", about {about(status.left_s)} left" if status.left_s is not None else ""
        lines.append(f"{who}{left}; `m2pt stop{option}` ends it" if status.doer is not None else f"{who}{left}")
    if isinstance(status.queue, str):
        lines.append(status.queue)
    elif status.queue:
        jobs = ", ".join(f"{count} {state.lower()}" for state, count in sorted(status.queue.items()))
        lines.append(f"in SLURM's queue: {jobs}; `m2pt stop{option}` cancels them")
    if status.used_hours is not None:
        lines.append(f"{status.used_hours:.3g} of {status.plan.study.execution.max_device_hours:g} device-hours are used")
    shown = status.running if most is None or len(status.running) <= most else status.running[: max(0, most - 1)]
    lines += _table([_HEAD, *map(_row, shown)], width) if shown else []
    hidden = len(status.running) - len(shown)
    return [*lines, *([f"and {hidden} more"] if hidden else []), *_undeclared(status)]


def _undeclared(status: Status) -> list[str]:
    """What goes on by the study file as it was."""
    if not (others := status.undeclared):
        return []
    named = ", ".join(f"{run_dir.name} ({who})" for run_dir, who in list(others.items())[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    what = "1 run goes on" if len(others) == 1 else f"{len(others)} runs go on"
    return [f"{what} that the study file, as it is now, does not declare: {named}{more}"]


def failure_lines(status: Status) -> list[str]:
    """Each reason of a failure, with the runs that failed for it."""
    lines: list[str] = []
    named = (((run_id(spec), spec.name), failure_of(status.plan, spec)) for spec in status.failed)
    for reason, runs in by_reason(named).items():
        if len(runs) == 1:
            lines.append(f"{runs[0]}: {reason}")
        else:
            lines += [f"{len(runs)} runs failed: {reason}", *(f"  {run}" for run in runs)]
    return lines


def _row(going: Going) -> tuple[str, ...]:
    host = going.holder.host_name if going.holder else ""
    return (
        going.name,
        " ".join(part for part in (host, going.slot or going.device or "") if part),
        "starts" if going.since is None else _clock(going.since),
        "" if going.seconds is None else duration(going.seconds),
        f"{going.progress:.0%}",
        "?" if going.until is None else _clock(going.until),
    )


def _clock(moment: datetime) -> str:
    """A moment as a clock on the wall shows it, with the day if that is another one."""
    here, now = moment.astimezone(), datetime.now(UTC).astimezone()
    return here.strftime("%H:%M" if here.date() == now.date() else "%Y-%m-%d %H:%M")


def _table(rows: list[tuple[str, ...]], width: int | None) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    if width is not None:
        widths[0] = min(widths[0], max(_SHORTEST, width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)))
    cut = [(_cut(row[0], widths[0]), *row[1:]) for row in rows]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cut]


def _cut(name: str, width: int) -> str:
    """A name that fits: it loses its middle, because it ends with its seed."""
    if len(name) <= width:
        return name
    tail = name[name.rfind("-") :] if "-" in name[-5:] else ""
    return f"{name[: width - 1 - len(tail)]}…{tail}"

"""Every run with its times and its device."""

from collections.abc import Mapping
from typing import Any

from m2pt.analysis.content import Column, Details, Entry, Group, Paragraph, Section, Table, code, plain, prose
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import duration, memory
from m2pt.analysis.tables.phrases import counted

_NAMES = ("attempts", "total", "training", "peak memory")


def section(facts: Facts) -> Section | None:
    """None where no execution is recorded."""
    timings = facts.analysis.timings.drop_duplicates("run_id")
    if timings.empty:
        return None
    known = timings.astype(object).where(timings.notna(), None).to_dict("records")
    columns = (
        Column(plain("run"), head=True),
        *(Column(plain(name), number=True) for name in _NAMES),
        Column(plain("device")),
    )
    group = Group(tuple(_row({str(key): value for key, value in row.items()}) for row in known))
    table = Table("Runs", plain("Times of each run, over all of its attempts"), columns, (group,))
    words = Paragraph(prose("[timings.csv](timings.csv) has more of each run."))
    return Section("Runs", "runs", (words, Details(plain(counted(len(known), "run")), (table,), printed=True)))


def _row(row: Mapping[str, Any]) -> tuple[Entry, ...]:
    device = (row["device"] or "–") + (f" ({row['device_name']})" if row["device_name"] else "")
    return (
        Entry(code(row["run_id"]), row["run_id"]),
        Entry(plain(row["attempts"]), row["attempts"]),
        Entry(plain(duration(row["total_seconds"])), row["total_seconds"]),
        Entry(plain(duration(row["train_seconds"])), row["train_seconds"]),
        Entry(plain(memory(row["peak_memory_bytes"])), row["peak_memory_bytes"]),
        Entry(plain(device), device),
    )

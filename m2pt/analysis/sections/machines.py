"""Where and with what the runs of a study were executed."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, code, plain
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import duration, word
from m2pt.analysis.tables import provenance
from m2pt.analysis.tables.environments import Environment
from m2pt.analysis.tables.phrases import counted

_PACKAGES = ("Python", "torch", "timm", "numpy")
_KINDS = {"finetune": "fine-tuning", "pretrain": "pretraining"}


def section(facts: Facts) -> Section:
    """Devices, versions and commits, and the time in jobs."""
    rows = facts.analysis.environments
    shown: Block = _table(rows) if rows else Paragraph(plain("Devices, versions and commits: not recorded here."))
    totals = provenance.totals(facts.analysis.timings)
    each = [
        f"{counted(int(total['runs']), f'{_KINDS[kind]} run')}, {duration(total['seconds'])} in total "
        f"({duration(total['median_seconds'])} each, median)"
        for kind, total in totals.items()
    ]
    time = (Paragraph(plain(f"Time in jobs: {'; '.join(each)}.")),) if each else ()
    return Section("Devices, versions and commits", "provenance", (shown, *time), "Devices")


def _table(rows: Sequence[Environment]) -> Table:
    names = ("which", "device", "commit", "source code", "Python", "torch", "timm", "NumPy")
    columns = (Column(plain("runs"), number=True), *(Column(plain(name)) for name in names))
    entries = tuple(
        (
            Entry(plain(row.runs), row.runs), word(row.which if row.kind == "finetune" else "encoders"), word(row.device),
            Entry(code(row.commit, ", ".join(row.commits)), ", ".join(row.commits)), Entry(code(row.code), row.code),
            *(word(row[name]) for name in _PACKAGES),
        )
        for row in rows
    )  # fmt: skip
    return Table("Devices and versions", plain("Devices, versions and commits"), columns, (Group(entries),))

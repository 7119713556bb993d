"""What a study was made from, and where everything about its runs is."""

import json
from collections.abc import Iterator

from m2pt.analysis.content import Code, Column, Details, Entry, Group, Paragraph, Section, Table, code, plain, prose
from m2pt.analysis.sections.encoders import sha256
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import CELLS_INDEX, COSTS, TIMINGS
from m2pt.analysis.sections.wording import word
from m2pt.analysis.tables import as_run, left_out, materials
from m2pt.runs.spec import Spec

_LOCAL = (
    "Device time, energy, memory, devices, versions and commits differ from one execution to the next. They are kept apart, in "
    f"`{COSTS}` and `{TIMINGS}` beside this page, so that every other file of this report is the same after each identical "
    "execution on the same kind of hardware. Both are of the machine that did the runs: a copy of the report that comes with the "
    "source code lacks them until `make study`, or `m2pt report`, has drawn it on a machine that has the runs."
)


def costs(facts: Facts) -> Section:
    """Where the costs are."""
    return Section("Costs", "costs", (Paragraph(prose(_LOCAL)),))


def section(facts: Facts) -> Section:
    """The data, the settings, and the other files of the report."""
    settings = as_run.settings(facts.study, facts.source.by_part, facts.source.pretraining, facts.source.arms)
    words = (
        f"Every run is on the [page of its cell]({CELLS_INDEX}) ({len(facts.cells)} in all), and has a row in "
        "[results.csv](results.csv). Next to this page are also [metrics.json](metrics.json), [gains.json](gains.json), "
        "`plots/`, `figures/`, and every table as LaTeX in `tables/`; its content is in [report.md](report.md) and, for "
        "programs, in [report.json](report.json)."
    )
    details = Details(plain("Resolved settings"), (Code(json.dumps(settings, indent=2), "json"),), printed=True)
    return Section("Data and settings", "provenance", (_data(facts), *_plugins(facts), details, Paragraph(prose(words))))


def _plugins(facts: Facts) -> Iterator[Table]:
    """The code of other packages that runs compute with, if they do."""
    if not (used := materials.plugins([*facts.source.specs, *facts.source.pretraining])):
        return
    columns = (
        Column(plain("plugin"), head=True),
        *(Column(plain(name)) for name in ("version", "package", "runs", "SHA-256 of its code")),
    )
    rows = tuple(
        (word(one.distribution), word(one.version), Entry(code(one.package), one.package), word(str(runs)), sha256(one.sha256))
        for one, runs in used
    )
    yield Table("Plugins", plain("Plugins whose code is part of what a run is"), columns, (Group(rows),))


def _data(facts: Facts) -> Table:
    specs: list[Spec] = [*facts.source.specs, *facts.source.pretraining]
    samples = left_out.of_targets(list(facts.splits))
    columns = (
        Column(plain("modality"), head=True),
        *(Column(plain(name)) for name in ("folder", "origin", "samples used", "SHA-256 of the content")),
    )
    rows = tuple(
        (
            word(row.name), Entry(code(row.folder), row.folder), word(row.origin),
            word(samples.get(row.name, "–")), sha256(row.sha256),
        )
        for row in materials.datasets(facts.study, specs)
    )  # fmt: skip
    return Table("Data", plain("Data"), columns, (Group(rows),))

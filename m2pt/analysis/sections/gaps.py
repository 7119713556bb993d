"""What is not there: runs that are not complete, samples that were left out, and runs on different samples."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, code, plain, prose
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import page_of
from m2pt.analysis.sections.wording import word
from m2pt.analysis.tables import gaps, left_out, tuning
from m2pt.analysis.tables.gaps import Gap
from m2pt.analysis.tables.left_out import SplitCounts


def section(facts: Facts) -> Section:
    """Everything that is missing, or a sentence that nothing is."""
    rows, partial, mixed = missing_runs(facts), partial_splits(facts), mixtures(facts)
    blocks: list[Block] = [Paragraph(prose(sentence), "notice") for sentence in tuning.undecided(facts.source.arms)]
    if rows:
        blocks.append(_runs(rows))
    elif partial and not blocks:
        blocks.append(Paragraph(plain("Every planned run is complete.")))
    elif not blocks:
        blocks.append(Paragraph(plain("Nothing: every planned run is complete, and no sample of its data was left out.")))
    blocks += [_samples(partial)] if partial else []
    blocks += [Paragraph((*prose("**Different samples.** "), *plain(sentence)), "notice") for sentence in mixed]
    return Section("What is missing", "gaps", tuple(blocks))


def is_empty(facts: Facts) -> bool:
    """Whether nothing is missing."""
    return not (missing_runs(facts) or partial_splits(facts) or mixtures(facts) or tuning.undecided(facts.source.arms))


def missing_runs(facts: Facts) -> list[Gap]:
    """Pretraining and fine-tuning runs that are not complete, grouped by cell and reason."""
    pretraining = gaps.encoder_gaps(facts.source.pretraining, facts.source.encoders)
    return [*pretraining, *gaps.run_gaps(facts.analysis.table)]


def partial_splits(facts: Facts) -> list[SplitCounts]:
    """The splits that lack some of their samples."""
    return [item for item in facts.splits if not item.is_whole]


def mixtures(facts: Facts) -> list[str]:
    """A sentence for each target whose runs used different samples."""
    return left_out.mixtures(
        left_out.SamplesUsed.of(*run) for run in left_out.complete_runs(facts.analysis.table, facts.analysis.records)
    )


def _runs(rows: Sequence[Gap]) -> Table:
    columns = (Column(plain("cell"), head=True), *(Column(plain(name)) for name in ("seeds", "status", "why")))
    entries = tuple((_name(row), _seeds(row.seeds), word(row.status), word(row.reason)) for row in rows)
    caption = plain("Failed, interrupted and missing runs; no number counts any of them")
    return Table("Failed and missing runs", caption, columns, (Group(entries),), "stack")


def _name(row: Gap) -> Entry:
    return Entry(code(row.name), row.name, address=page_of(row.cell) if row.cell else "")


def _seeds(seeds: Sequence[int]) -> Entry:
    numbers = ", ".join(map(str, seeds))
    return Entry(plain(f"{'seed' if len(seeds) == 1 else 'seeds'} {numbers}"), numbers)


def _samples(rows: Sequence[SplitCounts]) -> Table:
    columns = (
        Column(plain("target"), head=True),
        Column(plain("split")),
        *(Column(plain(name), number=True) for name in ("listed", "used", "absent", "unreadable", "runs")),
    )
    entries = tuple(
        (
            word(row.target), word(row.split),
            *(Entry(plain(count), count) for count in (row.listed, row.kept, row.absent, row.unreadable, row.runs)),
        )
        for row in rows
    )  # fmt: skip
    words = (
        "Samples that are listed but were left out: their file is missing (absent) or cannot be read (unreadable); no score "
        "covers them"
    )
    return Table("Samples left out", plain(words), columns, (Group(entries),))

"""The classes of one cell: recall by class, and the confusion matrix."""

from functools import lru_cache

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, plain, prose
from m2pt.analysis.numbers import classes
from m2pt.analysis.numbers.classes import ByCell, ClassChange, Confusion
from m2pt.analysis.numbers.comparisons import Compared
from m2pt.analysis.sections.wording import AGAINST, Rates, of_difference, of_family, of_p, of_score
from m2pt.analysis.tables.phrases import counted
from m2pt.analysis.tables.shading import intensity
from m2pt.config import refuses_unknown

_NO_COUNTS = "No counts by class: none are kept for tagging, for segmentation, or above 50 classes."


@refuses_unknown
def section(item: Compared, of_cells: ByCell, rates: Rates) -> Section:
    """What is known of the classes; `rates` is the error rate of their families."""
    changes, matrix = classes.changes(item, of_cells), of_cells.matrix(item.cell)
    blocks: list[Block] = []
    if changes:
        blocks.append(_recall(item, changes))
        if item.against:
            words = (
                f"p after the correction over the {len(changes)} classes of this table and all of its references. "
                f"{of_family('classes of a cell', rates)}"
            )
            blocks.append(Paragraph(prose(words), "caption"))
    else:
        blocks.append(Paragraph(plain(_NO_COUNTS if item.cell.complete else "No complete run.")))
    return Section("Classes", "classes", (*blocks, *([_confusion(matrix)] if matrix else [])))


def _recall(item: Compared, changes: list[ClassChange]) -> Table:
    columns = [Column(plain("class"), head=True), Column(plain("samples"), number=True), Column(plain("recall"), number=True)]
    titles = [words for name in item.against for words in (f"against {AGAINST[name]}", "p (corrected)")]
    columns += [Column(plain(words), number=True) for words in titles]
    rows = []
    for row in changes:
        over = [
            entry
            for name in item.against
            for entry in (of_difference(row.over[name], holds=row.holds(name)), of_p(row.adjusted_p[name]))
        ]
        rows.append((Entry(plain(row.name), row.name), Entry(plain(row.samples), row.samples), of_score(row.recall), *over))
    caption = "Recall of each class on the test data in percent, and differences in points, paired by seed, with 95 % t interval"
    return Table("Recall by class", plain(caption), tuple(columns), (Group(tuple(rows)),))


@lru_cache(maxsize=2**14)
def _count(count: int, shade: float | None, outlined: bool) -> Entry:
    """A square of a matrix; those of a study have few counts, and are many."""
    return Entry(plain(count), count, shade=shade, outlined=outlined)


def _confusion(matrix: Confusion) -> Table:
    shares, counts = matrix.shares.tolist(), matrix.counts.tolist()
    rows = tuple(
        (
            Entry(plain(name), name),
            *(
                _count(count, intensity(shares[row][column], 1) if count else None, row == column)
                for column, count in enumerate(counts[row])
            ),
        )
        for row, name in enumerate(matrix.classes)
    )
    columns = (Column(plain("true"), head=True), *(Column(plain(name), over="predicted") for name in matrix.classes))
    caption = (
        "Confusion: test samples by true class (rows) and predicted class (columns), summed over "
        f"{counted(matrix.runs, 'run')}; outlined: correct"
    )
    return Table("Confusion", plain(caption), columns, (Group(rows),), "confusion")

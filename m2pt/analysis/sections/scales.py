"""How large the scales of the auxiliaries became, and whether merging kept the models the same."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, plain, prose
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.trajectories import FinalScales, final_scales, layer_types
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital, numeric, word
from m2pt.analysis.tables import as_run, materials
from m2pt.analysis.tables.phrases import counted

_FIGURES = (
    "Mean |λ| and effective size over training, a row per layer type, a line per block. Solid: mean over the auxiliaries of "
    "other modalities and seeds; dotted: random weights."
)


def section(facts: Facts) -> Section:
    """The sizes at the end of training, and figures of how they came about."""
    rows = final_scales(facts.analysis.records, facts.analysis.cells)
    table: tuple[Block, ...] = (_table(facts, rows),) if rows else ()
    return Section("Scales", "scales", (Paragraph(prose(_words(facts))), *table, *folding.drawn(facts, "scales", _FIGURES)))


def _words(facts: Facts) -> str:
    words = "A scale λ multiplies an auxiliary weight; its effective size is |λ|·‖W~aux~‖ ∕ ‖W‖. "
    words += f"{capital(as_run.starts(facts.source.specs) or 'no run has scales')}."
    merges = materials.merges(facts.analysis.records.values())
    if merges:
        equal = "equals a plain model's in all of them"
        unequal = f"differs from a plain model's in {merges.unequal} of them"
        words += (
            f" After training every pathway is merged into a plain model: over {counted(merges.runs, 'merged run')} the "
            f"largest difference of a logit before and after is {merges.largest:.2g}, and the number of parameters "
            f"{unequal if merges.unequal else equal}."
        )
    return words


def _auxiliary(cell: Cell) -> Entry:
    """The auxiliary, with the method below it where it is none of the main question: several may have the same auxiliary."""
    return Entry(plain(cell.column), cell.column, under=() if cell.role else (plain(cell.method.replace("_", " ")),))


def _table(facts: Facts, rows: Sequence[FinalScales]) -> Table:
    columns, types = [Column(plain("setting"))] if facts.many else [], layer_types(rows)
    columns += [Column(plain("target"), head=True), Column(plain("auxiliary"))]
    columns += [Column(plain(name), number=True) for name in ("|λ|", "effective", "largest", *types)]
    entries = []
    for row in rows:
        cell, condition = row.cell, row.cell.condition
        setting = [word(f"{condition.setting}, {condition.tuning}")] if facts.many else []
        sizes = [row.scale, row.effective_size, row.largest, *(row.layers.get(layer) for layer in types)]
        target = Entry(plain(cell.target), cell.target)
        entries.append((*setting, target, _auxiliary(cell), *map(numeric, sizes)))
    caption = plain("Size of the scales: mean |λ| at the end of training, over seeds, blocks and layers")
    return Table("Scales", caption, tuple(columns), (Group(tuple(entries)),))

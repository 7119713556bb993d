"""`compare`: two studies, cell by cell."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from m2pt.analysis.numbers import families
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import Comparison, Summary, summaries
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate, differences, over_seeds
from m2pt.analysis.numbers.unequal import Missing
from m2pt.analysis.tables.environments import Environment, environments, mixtures
from m2pt.analysis.tables.headline import difference, signed
from m2pt.analysis.tables.phrases import lost_runs
from m2pt.config import Study
from m2pt.runs.table import read_table
from pipelines.commands.looking import note_before
from pipelines.planning import study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.looks import BUILT_IN
from pipelines.planning.plan import Plan, resolve

Key = tuple[str, str, str, str]

_UNNAMED = ("study", "description")
"""Keys that change no run."""

_EXPLORATORY = (
    "Exploratory: all differences are one family. Of those marked *, at most 5 % are expected to be false (false discovery rate, "
    "Benjamini and Hochberg)."
)
_SAME = "Runs that both studies share are no evidence of a difference, and are not tested."
_LOST = "Where one side lacks more runs than chance makes plausible, the difference is not tested: those runs could have made it."


@dataclass(frozen=True)
class Apart:
    """How far a gain of the second study is from that of the first, in points; `same` where both are of the same runs.

    `lost` are the runs that are missing on one side more than on another, in words, `is_suspect` whether by more than chance.
    """

    mean: float | None = None
    half_width: float | None = None
    p_value: float | None = None
    same: bool = False
    lost: str = ""
    is_suspect: bool = False


def compare(options: Namespace) -> int:
    """Show the gains of two studies side by side, and how far apart they are; returns 0 even if nothing can be compared.

    Gains of seeds that both studies have are compared seed by seed; with fewer than two such seeds the studies are independent
    samples, and the interval is Welch's. All differences are one exploratory family, with the correction of Benjamini and
    Hochberg. The same runs on both sides are named as such. The settings that differ come first. The lines of a target say so
    where its runs are not all on the same samples; a last line says so where the runs come from several environments. Missing
    runs stand beside the numbers that they touch. It is a look at both studies, and noted as one.
    """
    files = [str(file) for file in (options.first, options.second)]
    plans = [resolve(study_file.load(file)) for file in files]
    tables, origins = zip(*(_read(plan) for plan in plans), strict=True)
    sides = [_gains(table) for table in tables]
    mixed = {target for target, samples in _samples(tables).items() if len(samples) > 1}
    keys = list(dict.fromkeys(key for side in sides for key in side))
    apart = {key: _apart(*(side.get(key) for side in sides)) for key in keys}
    adjusted = dict(zip(keys, families.discoveries([item.p_value for item in apart.values()]), strict=True))
    head = ("condition", "target", "auxiliary", "over", *files, "second − first", "p (corrected)")
    rows = [(_words(apart[key], adjusted[key], key[1] in mixed), _p(adjusted[key])) for key in keys]
    lines = [head, *((*key, *(_shown(side.get(key)) for side in sides), *row) for key, row in zip(keys, rows, strict=True))]
    for plan in plans:
        note_before(plan, BUILT_IN)
    print(f"Settings that differ: {'; '.join(changed(plans[0].study, plans[1].study)) or 'none'}.\n")
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    notes = [_EXPLORATORY] * any(p is not None for p in adjusted.values()) + [_SAME] * any(item.same for item in apart.values())
    notes += [_LOST] * any(item.is_suspect for item in apart.values())
    named = [replace(item, which=file) for file, places in zip(files, origins, strict=True) for item in places]
    print("".join(f"\n{sentence}\n" for sentence in (*notes, *mixtures(named))), end="")
    return 0


def changed(first: Study, second: Study) -> list[str]:
    """The settings in which two studies differ, each with both values."""
    one, other = (_flat(study.model_dump(mode="json")) for study in (first, second))
    keys = [key for key in dict.fromkeys((*one, *other)) if key.split(".")[0] not in _UNNAMED]
    return [f"{key} {_value(one, key)} → {_value(other, key)}" for key in keys if one.get(key) != other.get(key)]


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        inner = _flat(value, f"{above}{key}.") if isinstance(value, Mapping) and value else {f"{above}{key}": value}
        leaves |= inner
    return leaves


def _value(leaves: Mapping[str, Any], key: str) -> str:
    return f"{leaves[key]}" if key in leaves else "(absent)"


def _read(plan: Plan) -> tuple[pd.DataFrame, list[Environment]]:
    """The table of a study's runs, and the environments that they come from."""
    folder = runs_folder(plan.study)
    table = read_table(plan.compared, folder, plan.parts)
    return table, environments((("finetune", folder / str(name)) for name in table["run_id"] if name), table)


def _samples(tables: Sequence[pd.DataFrame]) -> dict[str, set[str]]:
    """The digests of the samples of all complete runs, by target: runs on the very same samples share one."""
    digests: dict[str, set[str]] = {}
    for table in tables:
        for target, samples in zip(table["target"], table["samples_sha256"], strict=True):
            digests.setdefault(str(target), set()).update(() if pd.isna(samples) else (str(samples),))
    return digests


def _words(apart: Apart, adjusted_p: float | None, mixed: bool) -> str:
    if apart.same:
        return "the same runs"
    if apart.mean is None:
        return "–"
    star = "*" if families.holds(adjusted_p) else ""
    width = "" if apart.half_width is None else f" ± {rounded(apart.half_width, 2)}"
    notes = [*(["different samples"] if mixed else []), *([apart.lost] if apart.lost else [])]
    return f"{signed(apart.mean)}{width}{star}" + (f" ({'; '.join(notes)})" if notes else "")


def _p(value: float | None) -> str:
    return "–" if value is None else rounded(value, 3)


def _gains(table: pd.DataFrame) -> dict[Key, Comparison]:
    """The gains of a study by condition, target, auxiliary and what they are over."""
    return {_key(summary, item): item for summary in summaries(cells(table)) for item in summary.comparisons}


def _key(summary: Summary, item: Comparison) -> Key:
    return summary.condition.slug, item.target, item.column, item.against


def _shown(item: Comparison | None) -> str:
    if item is None or item.estimate.n == 0:
        return "–"
    return f"{difference(item.estimate)} (n={item.estimate.n}{lost_runs(item.missing)})"


def _apart(first: Comparison | None, second: Comparison | None) -> Apart:
    if first is None or second is None or first.estimate.mean is None or second.estimate.mean is None:
        return Apart()
    if _runs(first) == _runs(second):
        return Apart(same=True)
    made = _difference(first, second)
    sides = (("second", second.missing), ("first", first.missing), ("second against first", _between(first, second)))
    lost = "; ".join(f"{name}: {item.words}" for name, item in sides if item.differs)
    if any(item.is_suspect for _, item in sides):
        return replace(made, p_value=None, lost=lost, is_suspect=True)
    return replace(made, lost=lost)


def _difference(first: Comparison, second: Comparison) -> Apart:
    by_seed = differences(second.differences, first.differences)
    both = {seed: value for seed, value in by_seed.items() if value is not None}
    if len(both) > 1:
        paired = over_seeds(both)
        return Apart(paired.mean, paired.half_width, paired.p_value)
    half_width, p = welch(first.estimate, second.estimate)
    return Apart((second.estimate.mean or 0.0) - (first.estimate.mean or 0.0), half_width, p)


def _between(first: Comparison, second: Comparison) -> Missing:
    """The runs that both sides of the second gain lack, against those that both sides of the first lack."""
    mine, theirs = second.missing, first.missing
    return Missing(
        mine.mine + mine.theirs,
        mine.mine_planned + mine.theirs_planned,
        theirs.mine + theirs.theirs,
        theirs.mine_planned + theirs.theirs_planned,
    )


def _runs(item: Comparison) -> list[tuple[str | None, ...]]:
    """The ids of the complete runs of both sides, which are hashes of all that can change a result."""
    return [tuple(run.run_id for run in cell.complete.values()) for cell in (item.cell, item.reference)]


def welch(first: Estimate, second: Estimate) -> tuple[float | None, float | None]:
    """The 95 % interval of the difference of two independent means, as its half-width, and the p-value (B. L. Welch, 1947)."""
    if first.mean is None or second.mean is None or not first.components or not second.components:
        return None, None
    parts = [*first.components, *second.components]
    total = sum(part.variance for part in parts)
    freedom = total**2 / sum(part.variance**2 / part.freedom for part in parts)
    error = math.sqrt(total)
    return float(stats.t.ppf(0.975, freedom) * error), float(2 * stats.t.sf(abs(second.mean - first.mean) / error, freedom))

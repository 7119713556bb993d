"""`compare`: two studies, cell by cell."""

import math
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd
from scipy import stats

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import Comparison, Summary, summaries
from m2pt.analysis.numbers.power import spread_of
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.environments import Environment, environments, mixtures
from m2pt.analysis.tables.headline import difference, signed
from m2pt.runs.table import read_table
from pipelines.planning import study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import resolve

Key = tuple[str, str, str, str]


def compare(options: Namespace) -> int:
    """Show the gains of two studies side by side, and how far apart they are; returns 0 even if nothing can be compared.

    The studies' runs count as independent samples: the interval of a difference is Welch's, without correction for multiple
    comparisons. The lines of a target say so where its runs are not all on the same samples; a last line says so where the runs
    come from several environments.
    """
    files = [str(file) for file in (options.first, options.second)]
    tables, origins = zip(*(_read(file) for file in files), strict=True)
    sides = [_gains(table) for table in tables]
    mixed = {target for target, samples in _samples(tables).items() if len(samples) > 1}
    keys = list(dict.fromkeys(key for side in sides for key in side))
    head = ("condition", "target", "auxiliary", "over", str(options.first), str(options.second), "second − first")
    lines = [
        head,
        *((*key, *(_shown(side.get(key)) for side in sides), _difference(key, sides, mixed)) for key in keys),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    named = [replace(item, which=file) for file, places in zip(files, origins, strict=True) for item in places]
    print("".join(f"\n{sentence}\n" for sentence in mixtures(named)), end="")
    return 0


def _read(file: str) -> tuple[pd.DataFrame, list[Environment]]:
    """The table of runs of a study, and the environments that they come from."""
    plan = resolve(study_file.load(file))
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


def _difference(key: Key, sides: Sequence[Mapping[Key, Estimate]], mixed: Collection[str]) -> str:
    apart = _apart(*(side.get(key) for side in sides))
    return f"{apart} (different samples)" if apart != "–" and key[1] in mixed else apart


def _gains(table: pd.DataFrame) -> dict[Key, Estimate]:
    """The gains of a study by condition, target, auxiliary and what they are over."""
    return {_key(summary, item): item.estimate for summary in summaries(cells(table)) for item in summary.comparisons}


def _key(summary: Summary, item: Comparison) -> Key:
    return summary.condition.slug, item.target, item.column, item.against


def _shown(item: Estimate | None) -> str:
    return "–" if item is None or item.n == 0 else f"{difference(item)} (n={item.n})"


def _apart(first: Estimate | None, second: Estimate | None) -> str:
    if first is None or second is None or first.mean is None or second.mean is None:
        return "–"
    half_width = welch(first, second)
    return f"{signed(second.mean - first.mean)}" + ("" if half_width is None else f" ± {half_width:.2f}")


def welch(first: Estimate, second: Estimate) -> float | None:
    """Half-width of the 95 % interval of the difference of two independent means (B. L. Welch, Biometrika 34, 1947)."""
    if first.half_width is None or second.half_width is None:
        return None
    parts = [spread_of(item.half_width or 0.0, item.units) ** 2 / item.units for item in (first, second)]
    freedom = sum(parts) ** 2 / sum(part**2 / (item.units - 1) for part, item in zip(parts, (first, second), strict=True))
    return float(stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts)))

"""Every method of a study side by side: its gain over the baseline and over the random control, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from m2pt.analysis.numbers import families, unequal
from m2pt.analysis.numbers.cells import Cell, CellKey, Condition, by_condition, by_method, by_target, runs_table
from m2pt.analysis.numbers.comparisons import Against, reference_key
from m2pt.analysis.numbers.partners import Pairs, gains, mean_gain
from m2pt.analysis.numbers.statistics import Estimate, over_seeds
from m2pt.analysis.numbers.unequal import Missing
from m2pt.config import MethodName
from m2pt.methods import METHODS

_MEASURED = ["train_seconds", "latency_ms", "plain_latency_ms", "device_name"]
_PAIR = ["place", "target", "seed", "device_name"]


@dataclass(frozen=True)
class MethodRow:
    """One method within one condition.

    `gains` over the baseline are by target, averaged over the auxiliaries that the method was run with. `gain` and
    `over_random` are over all targets together, one number per seed. `adjusted_p` and `adjusted_random_p` are their p-values
    after the correction over both gains of all methods in all conditions, which are one exploratory family; `missing` and
    `missing_random` count the runs that the two sides lack. `train_ratio` is the median over its runs of the training time
    relative to the baseline's on the same target and seed, where both ran on the same kind of device. `latency_ratio` is that
    of a forward pass of the final model relative to a plain model timed with it. `trainable_parameters` and `parameters` (of
    the final model) are means over its runs. None: nothing is known.
    """

    condition: Condition
    name: str
    kind: str
    says: str
    targets: tuple[str, ...]
    gains: dict[str, Estimate]
    gain: Estimate
    over_random: Estimate
    p_value: float | None
    random_p_value: float | None
    missing: Missing
    missing_random: Missing
    train_ratio: float | None
    latency_ratio: float | None
    trainable_parameters: float | None
    parameters: float | None
    runs: int
    complete: int
    adjusted_p: float | None = None
    adjusted_random_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the gain over no auxiliary is shown at the error rate of its family."""
        return families.holds(self.adjusted_p)

    @property
    def holds_over_random(self) -> bool:
        """Whether the gain over the random control is shown at the error rate of its family."""
        return families.holds(self.adjusted_random_p)


def method_rows(cells: Sequence[Cell], timings: pd.DataFrame) -> list[MethodRow]:
    """The methods of each condition, in the order of `m2pt.methods.METHODS`; the baseline is first.

    Args:
        cells: the cells of the study.
        timings: what its runs measured (`m2pt.analysis.tables.provenance.timings`).

    """
    measured = timings.drop_duplicates("run_id").set_index("run_id").reindex(columns=_MEASURED)
    conditions = by_condition(cells)
    costs = _costs(conditions, measured)
    rows = [row for condition, members in conditions.items() for row in _condition(condition, members, costs)]
    adjusted = families.discoveries([p for row in rows for p in (row.p_value, row.random_p_value)])
    both = zip(rows, adjusted[::2], adjusted[1::2], strict=True)
    return [replace(row, adjusted_p=p, adjusted_random_p=of_random) for row, p, of_random in both]


@dataclass(frozen=True)
class _Costs:
    """What the complete runs of one method cost (`MethodRow`), and how many there are."""

    train_ratio: float | None = None
    latency_ratio: float | None = None
    trainable_parameters: float | None = None
    parameters: float | None = None
    complete: int = 0


Costs = Mapping[tuple[Condition, MethodName], _Costs]


def _condition(condition: Condition, members: Sequence[Cell], costs: Costs) -> list[MethodRow]:
    known, methods = {cell.key: cell for cell in members}, by_method(members)
    targets, within = tuple(by_target(members)), unequal.ranges(members)
    rows = []
    for name, mine in methods.items():
        over, over_random = _pairs(mine, known, "baseline"), _pairs(mine, known, "random")
        gain, random_gain = mean_gain(over), mean_gain(over_random)
        lost, lost_random = unequal.missing(over), unequal.missing(over_random)
        of_targets, cost = gains(over), costs.get((condition, name), _Costs())
        rows.append(
            MethodRow(
                condition=condition,
                name=name,
                kind=METHODS[name].kind,
                says=METHODS[name].description,
                targets=targets,
                gains={target: over_seeds(of_targets.get(target, {})) for target in targets},
                gain=gain,
                over_random=random_gain,
                p_value=unequal.guarded(over, gain, within, lost.is_suspect),
                random_p_value=unequal.guarded(over_random, random_gain, within, lost_random.is_suspect),
                missing=lost,
                missing_random=lost_random,
                train_ratio=cost.train_ratio,
                latency_ratio=cost.latency_ratio,
                trainable_parameters=cost.trainable_parameters,
                parameters=cost.parameters,
                runs=sum(len(cell.runs) for cell in mine),
                complete=cost.complete,
            )
        )
    return rows


def _costs(conditions: Mapping[Condition, Sequence[Cell]], measured: pd.DataFrame) -> Costs:
    """The costs of each method of each condition that has complete runs, from one table of them all."""
    places = [place for place, members in enumerate(conditions.values()) for cell in members for _ in cell.runs]
    every = runs_table([cell for members in conditions.values() for cell in members]).assign(place=places)
    runs = every[every["status"] == "complete"].join(measured, on="run_id")
    kinds, names = ["latency_ms", "plain_latency_ms", "trainable_parameters", "parameters"], list(conditions)
    latency, plain, trainable, parameters = (runs[kind].to_numpy(float, na_value=np.nan) for kind in kinds)
    ratios, groups = _train_ratios(runs), dict[tuple[Condition, MethodName], list[int]]()
    for row, (place, method) in enumerate(zip(runs["place"], runs["method"], strict=True)):
        groups.setdefault((names[place], method), []).append(row)
    return {
        key: _Costs(
            _median(ratios[rows]),
            _median(latency[rows] / plain[rows]),
            _mean(trainable[rows]),
            _mean(parameters[rows]),
            len(rows),
        )
        for key, rows in groups.items()
    }


def _pairs(cells: Sequence[Cell], known: Mapping[CellKey, Cell], against: Against) -> Pairs:
    """The cells of a method with a reference; nothing of the reference itself."""
    keys = [(cell, reference_key(cell, against)) for cell in cells]
    return [(cell, known[key]) for cell, key in keys if key in known and key.method != cell.method]


def _train_ratios(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Relative to the baseline of the same condition, target, seed and device, so that none of them are mixed."""
    seconds, baselines = rows["train_seconds"].to_numpy(float, na_value=np.nan), rows[rows["method"] == "baseline"]
    partners = baselines.dropna(subset=_PAIR).groupby(_PAIR)["train_seconds"].median().to_dict()
    places = zip(*(rows[name] for name in _PAIR), strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # a baseline that took no time tells nothing
        ratios: NDArray[np.float64] = seconds / np.array([partners.get(place, np.nan) for place in places], float)
    return ratios


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None

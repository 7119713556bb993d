"""Scores by number of labels: the parts of a study that differ in nothing else, and what each method is worth in labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m2pt.analysis.numbers.cells import Cell, CellKey, Condition, by_method, by_target
from m2pt.analysis.numbers.changes import CHOICES
from m2pt.analysis.numbers.labels import Worth, worth
from m2pt.analysis.numbers.partners import joined
from m2pt.analysis.numbers.statistics import BySeed, Estimate, averaged, over_seeds
from m2pt.analysis.tables.headline import signed
from m2pt.config import MethodName, Study
from m2pt.runs.identity import canonical

ALL = ""
"""The name of the line of all targets together."""

_FREE = ("samples", "epochs")
"""What the recipes of a curve's parts may differ in. With equal epochs, fewer labels are fewer steps; other epochs undo that."""

_BASELINE: MethodName = "baseline"

Curve = dict[int, BySeed]
"""The scores of a method by number of labels, averaged over auxiliaries."""


@dataclass(frozen=True)
class Line:
    """The test scores of a method on a target by number of labels, and what each is worth in labels (not of the baseline)."""

    method: MethodName
    target: str
    scores: dict[int, Estimate]
    worth: dict[int, Worth]


@dataclass(frozen=True)
class LabelCurve:
    """The lines of one setting and tuning by target, the baseline's first; `ALL` has the mean over targets.

    `parts` are those that were put together, `same_epochs` whether all of them have the same number of epochs.
    """

    setting: str
    tuning: str
    parts: tuple[str, ...]
    same_epochs: bool
    labels: tuple[int, ...]
    targets: dict[str, tuple[Line, ...]]

    @property
    def condition(self) -> Condition:
        """Its setting and tuning, with the first of its parts."""
        return Condition(self.setting, self.tuning, self.parts[0])


def curves(study: Study, cells: Sequence[Cell]) -> list[LabelCurve]:
    """The curves of a study that has parts with different numbers of labels and a baseline with at least two of them."""
    if not study.parts:
        return []
    parts = study.expanded()
    groups: dict[str, list[str]] = {}
    for name, part in parts.items():
        groups.setdefault(_form(part), []).append(name)
    conditions = dict.fromkeys((cell.condition.setting, cell.condition.tuning) for cell in cells)
    made = [
        _curve({name: parts[name] for name in names}, setting, tuning, cells)
        for names in groups.values()
        if len(names) > 1
        for setting, tuning in conditions
    ]
    return [curve for curve in made if curve is not None]


def _form(part: Study) -> str:
    """Equal for parts that may differ in which runs they choose and in their numbers of labels and epochs."""
    document = part.model_dump(mode="json", by_alias=True, exclude={"study", "parts", "search", "execution"})
    for key in CHOICES:
        document["sweep"].pop(key.partition(".")[2], None)
    for recipe in (document["finetune"], *(task["finetune"] for task in document["tasks"].values())):
        for key in _FREE:
            recipe.pop(key, None)
    return canonical(document)


def _labels(part: Study, target: str, cells: Sequence[Cell]) -> int | None:
    """How many labels the runs of a target have in a part.

    With `samples: all` that is what its complete runs trained with; None where there is none, or where they differ.
    """
    recipe = part.tasks[target].finetune if target in part.tasks else {"samples": part.finetune.samples}
    number = recipe.get("samples")
    if isinstance(number, int):
        return number
    runs = [run for cell in cells if cell.target == target for run in cell.complete.values()]
    counts = {run.train_samples for run in runs if run.train_samples}
    return int(counts.pop()) if len(counts) == 1 else None


def _curve(parts: Mapping[str, Study], setting: str, tuning: str, cells: Sequence[Cell]) -> LabelCurve | None:
    mine = [
        cell
        for cell in cells
        if cell.condition.part in parts and (cell.condition.setting, cell.condition.tuning) == (setting, tuning)
    ]
    by_name = {
        target: _of_target(parts, members)
        for target, members in by_target(mine).items()
        if len({cell.metric for cell in members}) == 1
    }
    by_name = {target: methods for target, methods in by_name.items() if len(methods.get(_BASELINE, {})) > 1}
    if not by_name:
        return None
    if len(by_name) > 1 and len({cell.metric for cell in mine if cell.target in by_name}) == 1:
        together = _together(list(by_name.values()))
        by_name = {ALL: together, **by_name} if len(together.get(_BASELINE, {})) > 1 else by_name
    return LabelCurve(
        setting=setting,
        tuning=tuning,
        parts=tuple(name for name in parts if any(cell.condition.part == name for cell in mine)),
        same_epochs=len({part.finetune.epochs for part in parts.values()}) == 1,
        labels=tuple(sorted({number for methods in by_name.values() for curve in methods.values() for number in curve})),
        targets={target: _lines(target, methods) for target, methods in by_name.items()},
    )


def _of_target(parts: Mapping[str, Study], cells: Sequence[Cell]) -> dict[MethodName, Curve]:
    """The curves of all methods on one target."""
    found: dict[MethodName, Curve] = {}
    of_parts: dict[str, list[Cell]] = {}
    for cell in cells:
        of_parts.setdefault(cell.condition.part, []).append(cell)
    numbers = {name: _labels(parts[name], members[0].target, members) for name, members in of_parts.items()}
    for method, members in by_method(cells).items():
        same: dict[int, dict[CellKey, list[Cell]]] = {}
        for cell in members:
            number = numbers[cell.condition.part]
            if number is not None:
                key = cell.key._replace(condition=Condition(cell.condition.setting, cell.condition.tuning))
                same.setdefault(number, {}).setdefault(key, []).append(cell)
        found[method] = {
            number: averaged([joined(copies).test for copies in groups.values()], math.fsum)
            for number, groups in sorted(same.items())
        }
    return found


def _together(targets: Sequence[Mapping[MethodName, Curve]]) -> dict[MethodName, Curve]:
    """The curves of the methods that every target has, averaged over targets where all have a number of labels."""
    methods = [method for method in targets[0] if all(method in each for each in targets)]
    return {
        method: {
            number: averaged([each[method][number] for each in targets], math.fsum)
            for number in targets[0][method]
            if all(number in each[method] for each in targets)
        }
        for method in methods
    }


def _lines(target: str, methods: Mapping[MethodName, Curve]) -> tuple[Line, ...]:
    baseline = methods[_BASELINE]
    lines = []
    for method, curve in sorted(methods.items(), key=lambda item: item[0] != _BASELINE):
        found = {} if method == _BASELINE else {number: worth(scores, number, baseline) for number, scores in curve.items()}
        known = {number: item for number, item in found.items() if item is not None}
        lines.append(Line(method, target, {number: over_seeds(scores) for number, scores in curve.items()}, known))
    return tuple(lines)


def more_labels(item: Worth) -> str:
    """What a method is worth in labels, in percent more than it had; a bound where it is beyond what was measured."""
    if item.equal is not None:
        return f"worth {_percent(item, item.equal)} labels"
    end = item.measured[1] if item.beyond > 0 else item.measured[0]
    return f"worth {'>' if item.beyond > 0 else '<'} {_percent(item, end)} labels"


def interval(item: Worth) -> str:
    """The 95 % interval of the same; its open ends are beyond what was measured."""
    if not item.has_interval:
        return "no interval"
    if item.low is None and item.high is None:
        return "open on both sides"
    low = f"from {_percent(item, item.low)}" if item.low is not None else ""
    high = f"up to {_percent(item, item.high)}" if item.high is not None else ""
    if item.low is not None and item.high is not None:
        return f"{_percent(item, item.low)} to {_percent(item, item.high)}"
    return f"{low or high}, open {'above' if low else 'below'}"


def _percent(item: Worth, labels: float) -> str:
    return f"{signed(item.more(labels), 0)} %"

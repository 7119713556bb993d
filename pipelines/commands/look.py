"""`plan` and `status`: look at a study without touching it."""

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from m2pt.analysis.numbers.power import detectable, seeds_needed, spread_of
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.left_out import mixtures
from m2pt.analysis.tables.materials import unplanned
from m2pt.analysis.tables.summaries import summaries
from m2pt.files.documents import read_json
from m2pt.modalities.recipes import uses
from m2pt.runs import records
from m2pt.runs.identity import run_id
from m2pt.runs.records import FAILURE
from m2pt.runs.spec import Spec
from pipelines.planning import mixing, settings
from pipelines.planning.estimates import assumption, cells
from pipelines.planning.plan import Plan, State, cost_s, data_folder, resolve, runs_folder
from pipelines.planning.refusals import form, refusals
from pipelines.planning.samples import task_samples
from pipelines.planning.slots import slots


def plan(options: Namespace) -> int:
    """Show what would run, what is done, what waits, and what it will cost."""
    found = resolve(settings.load(options.study))
    if options.seeds_needed:
        print("\n".join(_seeds(found)))
        return 0
    document = _document(found, str(options.study))
    print(json.dumps(document, indent=1) if options.json else _text(found, document))
    return 0


def _seeds(found: Plan) -> list[str]:
    """For each pair, against the random control: its gain, what its seeds could have shown, and how many would show it."""
    table = records.table(found.compared, runs_folder(found.study), found.parts)
    lines = []
    for summary in summaries(table):
        for item in summary.select("random", "pair"):
            value = item.estimate
            lines.append(f"{summary.condition.slug}  {item.target} from {item.auxiliary}: {_need(value)}")
    return [
        *lines,
        "",
        "Seeds for a chance of 80 % to see a gain of the size that was measured. That size is uncertain itself, and adding seeds",
        "until an interval excludes 0 makes it exclude 0 too often: choose the number once, and confirm it with fresh seeds.",
    ]


def _need(value: Estimate) -> str:
    if value.mean is None or value.half_width is None:
        return f"{difference(value)}; at least two complete seeds are needed to say more"
    spread = spread_of(value.half_width, value.n)
    seen, needed = detectable(spread, value.n), seeds_needed(value.mean, spread)
    can = f"n={value.n} can show {seen:.2f}" if seen is not None else f"n={value.n}"
    return f"{difference(value)}; {can}; {needed if needed is not None else 'more than 1000'} seeds needed"


def status(options: Namespace) -> int:
    """Show counts by state, and every failed run with its reason; 1 where one failed."""
    found = resolve(settings.load(options.study))
    print(f"{found.study.study}: {_counted(found, found.specs)}")
    for warning in mixing.warnings(found):
        print(f"  {warning}")
    for item in task_samples(found):
        print(f"  samples of {item.words}")
    for sentence in mixtures(*records.results(found.compared, runs_folder(found.study))):
        print(f"  {sentence}")
    failed = [spec for spec in found.specs if found.state(spec) == "failed"]
    for spec in failed:
        print(f"  {run_id(spec)}: {_reason(found, spec)}")
    return 1 if failed else 0


def _reason(found: Plan, spec: Spec) -> str:
    run_dir = found.run_dir(spec)
    return "" if run_dir is None else str(read_json(run_dir / FAILURE)["error"])


def _document(found: Plan, file: str) -> dict[str, Any]:
    places, refused = slots(found.study.execution), refusals(found)
    samples = task_samples(found)
    tasks = cells(found, refused)
    return {
        "study": found.study.study,
        "file": file,
        "data": {
            "root": found.study.data.root,
            "missing": {f"data of {key}": str(data_folder(found.study, key)) for key in found.missing_data},
        },
        "samples": [item.document() for item in samples],
        "weights": {"missing": {key: str(path) for key, path in found.missing_weights.items()}},
        "unplanned": unplanned(found.study, found.runs),
        "environments": mixing.warnings(found),
        "slots": [slot.name for slot in places],
        "estimated_seconds": cost_s(found, len(places), [spec for spec in found.runs if form(spec) in refused]),
        "refused": _refused(found, refused),
        "assumption": assumption() if tasks else None,
        "cells": [asdict(cell) for cell in tasks],
        "recipes": [asdict(use) for use in uses(found.parts)],
        "pretrain": [_entry(found, spec) for spec in found.pretrain],
        "runs": [_entry(found, spec) for spec in found.runs],
    } | ({"search": _search(found)} if found.study.search is not None else {})


def _refused(found: Plan, refused: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of the runs that cannot start, by the reason."""
    listed: dict[str, list[str]] = {}
    for spec in found.runs:
        if (reason := refused.get(form(spec))) is not None:
            listed.setdefault(reason, []).append(found.label(spec))
    return listed


def _search(found: Plan) -> dict[str, Any]:
    """How far the search of a study is."""
    trials = [asdict(trial) | {"values": dict(trial.values)} for trial in found.trials]
    budget = found.study.search.trials if found.study.search is not None else 0
    return {"budget": budget, "trials": trials, "chosen": found.chosen.number if found.chosen is not None else None}


def _searched(found: Plan) -> str:
    search, states = found.study.search, Counter(trial.state for trial in found.trials)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    budget = search.trials if search is not None else 0
    end = f"; trial {found.chosen.number} is chosen" if found.chosen is not None else ""
    return f"{len(found.trials)} of {budget} trials" + (f" ({told})" if told else "") + end


def _entry(found: Plan, spec: Spec) -> dict[str, Any]:
    return {"name": found.label(spec), "run_id": run_id(spec) if found.is_ready(spec) else None, "state": found.state(spec)}


def _text(found: Plan, document: dict[str, Any]) -> str:
    data = f"{len(found.missing_data)} missing" if found.missing_data else "there"
    lines = [
        f"study     {document['study']} ({document['file']})",
        f"data      {data} ({found.study.data.root})",
        f"encoders  {_counted(found, found.pretrain)}",
        f"runs      {_counted(found, found.runs)}",
        *([f"search    {_searched(found)}"] if found.study.search is not None else []),
        f"slots     {', '.join(document['slots'])}",
        f"cost      {_duration(document['estimated_seconds'])}",
    ]
    absent = document["data"]["missing"] | document["weights"]["missing"]
    lines[2:2] = [f"missing   {key}: {path}" for key, path in absent.items()]
    lines += [f"samples   {item.words}" for item in task_samples(found)]
    lines += [f"unplanned {sentence}" for sentence in document["unplanned"]]
    lines += [f"differs   {sentence}" for sentence in document["environments"]]
    for reason, names in document["refused"].items():
        lines += [f"cannot start: {reason}", *(f"          {name}" for name in names)]
    if document["cells"]:
        table = [*_table(document["cells"]), "", document["assumption"]]
        return "\n".join([*lines, "", *table, "", *_departures(document["recipes"])])
    left = [entry for entry in (*document["pretrain"], *document["runs"]) if entry["state"] != "complete"]
    lines += ["", *(f"{entry['state']:<12}{entry['run_id'] or entry['name']}" for entry in left)] if left else []
    return "\n".join(lines)


def _departures(uses: list[dict[str, Any]]) -> list[str]:
    """What departs from the release, part by part; parts that depart in the same stand together."""
    lines = ["What departs from the release (a key, its value here, and the released one in brackets):"]
    for use in uses:
        places = f"{', '.join(use['targets'])}" + (f" [{', '.join(use['parts'])}]" if any(use["parts"]) else "")
        always, joined = use["departures"]["always"], use["departures"]["joined"]
        lines += ["", f"{use['recipe']}: {places}", *(f"  {sentence}" for sentence in always)]
        lines += ["  with a pathway:", *(f"    {sentence}" for sentence in joined)] if joined else []
        lines += [] if always or joined else ["  nothing"]
    return lines


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """The runs on published data sets, cell by cell."""
    head = ("runs", "left", "params", "trained", "GFLOPs", "hours", "cell", "published")
    names = [f"{row['cell']} [{', '.join(row['parts'])}]" if any(row["parts"]) else row["cell"] for row in rows]
    lines = [(*_numbers(row), name, row["told"]) for row, name in zip(rows, names, strict=True)]
    total = sum(row["gpu_hours"] * row["left"] for row in rows if row["gpu_hours"] is not None)
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head) - 1)]
    shown = [
        "  ".join(
            [*(cell.rjust(width) for cell, width in zip(line[:-2], widths, strict=False)), line[-2].ljust(widths[-1]), line[-1]]
        )
        for line in (head, *lines)
    ]
    return [*shown, "", f"GPU hours that are left: about {total:,.0f}"]


def _numbers(row: dict[str, Any]) -> tuple[str, ...]:
    def million(value: int | None) -> str:
        return "?" if value is None else f"{value / 1e6:.1f} M"

    return (
        str(row["runs"]),
        str(row["left"]),
        million(row["parameters"]),
        million(row["trainable_parameters"]),
        "?" if row["forward_gflops"] is None else f"{row['forward_gflops']:.1f}",
        "?" if row["gpu_hours"] is None else f"{row['gpu_hours']:.1f}",
    )


def _counted(found: Plan, specs: Sequence[Spec]) -> str:
    counts: Counter[State] = Counter(found.state(spec) for spec in specs)
    parts = [f"{count} {state}" for state, count in counts.most_common()]
    return f"{len(specs)} ({', '.join(parts)})" if parts else "none"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown (no run of some method was done here yet)"
    if seconds == 0:
        return "nothing"
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest} s" if minutes else f"about {rest} s"

"""The text that `plan` prints: the state of a study in a few lines, then its cells or its remaining runs."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from m2pt.config.base import visible
from m2pt.runs.folder import RunState
from pipelines.execution.program import as_called
from pipelines.planning.plan import Plan
from pipelines.planning.refused_runs import one_of
from pipelines.planning.task_facts import doubtful
from pipelines.planning.task_samples import task_samples

_MOST_NAMED = 8
"""Runs that are named below the reason why they cannot start."""


def text(plan: Plan, document: dict[str, Any]) -> str:
    """The plan in lines for the terminal; `document` is its JSON form."""
    data = f"{len(plan.missing_data)} missing" if plan.missing_data else "present"
    lines = [
        f"study     {document['study']} ({document['file']})",
        f"data      {data} ({plan.study.data.root})",
        f"encoders  {states(entry['state'] for entry in document['pretrain'])}",
        f"runs      {states(entry['state'] for entry in document['runs'])}",
        *([f"search    {_searched(plan)}"] if plan.study.search is not None else []),
        *([f"tuning    {sentence}" for sentence in _tuned(plan)] if plan.arms else []),
        *([f"seeds     {_replicates(plan, document['replicates'])}"] if document["replicates"] else []),
        f"slots     {', '.join(document['slots'])}",
        f"cost      {duration(document['estimated_seconds'])}",
    ]
    missing = document["data"]["missing"] | document["weights"]["missing"]
    lines[2:2] = [f"missing   {key}: {path}" for key, path in missing.items()]
    lines += [f"damaged   {as_called(sentence)}" for sentence in plan.faults]
    lines += [f"samples   {item.words}" for item in task_samples(plan)]
    lines += [f"doubtful  {visible(sentence)}." for sentence in doubtful(plan.study)]
    lines += [f"assumed   {sentence}." for sentence in document["weights"]["assumed"]]
    lines += [f"unplanned {sentence}" for sentence in document["unplanned"]]
    lines += [f"differs   {sentence}" for sentence in document["environments"]]
    for reason, names in document["refused"].items():
        more = len(names) - _MOST_NAMED
        lines += [
            f"{one_of(len(names), len(plan.specs))} cannot start: {reason}",
            *(f"          {name}" for name in names[:_MOST_NAMED]),
            *([f"          and {more} more; --json names them"] if more > 0 else []),
        ]
    if document["cells"]:
        hours = f"Remaining GPU hours: about {document['gpu_hours']:,.0f}"
        table = [*_table(document["cells"]), "", hours, "", document["assumption"]]
        return "\n".join([*lines, "", *table, "", *_departures(document["recipes"])])
    left = [entry for entry in (*document["pretrain"], *document["runs"]) if entry["state"] != RunState.COMPLETE]
    lines += ["", *(f"{entry['state']:<12}{entry['run_id'] or entry['name']}" for entry in left)] if left else []
    return "\n".join(lines)


def _tuned(plan: Plan) -> list[str]:
    from pipelines.commands.plan_tuning import sentences  # its words come with the statistics of a report

    return sentences(plan)


def _replicates(plan: Plan, ways: list[dict[str, Any]]) -> str:
    """How the pretraining seeds are combined with the fine-tuning seeds, and what the other way would cost."""
    said = []
    for way in sorted(ways, key=lambda way: not way["is_declared"]):
        cost = f"{way['pretrainings']} pretrainings, {way['runs']} runs" if way["runs"] is not None else "not evenly possible"
        said.append(f"{way['way']}: {cost}")
    return f"{plan.study.replicates} of each encoder; {'; '.join(said)}"


def _departures(uses: list[dict[str, Any]]) -> list[str]:
    """How recipes depart from their releases; parts with the same departures are listed together."""
    lines = ["Departures from the released recipes (key, value here, released value in brackets):"]
    for use in uses:
        places = f"{', '.join(use['targets'])}" + (f" [{', '.join(use['parts'])}]" if any(use["parts"]) else "")
        always, joined = use["departures"]["always"], use["departures"]["joined"]
        lines += ["", f"{use['recipe']}: {places}", *(f"  {sentence}" for sentence in always)]
        lines += ["  with a pathway:", *(f"    {sentence}" for sentence in joined)] if joined else []
        lines += [] if always or joined else ["  none"]
    return lines


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """A table of the cells on published data sets."""
    head = ("runs", "left", "params", "trained", "GFLOPs", "hours", "cell", "published")
    names = [f"{row['cell']} [{', '.join(row['parts'])}]" if any(row["parts"]) else row["cell"] for row in rows]
    lines = [(*_numbers(row), name, row["told"]) for row, name in zip(rows, names, strict=True)]
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head) - 1)]
    return [
        "  ".join(
            [*(cell.rjust(width) for cell, width in zip(line[:-2], widths, strict=False)), line[-2].ljust(widths[-1]), line[-1]]
        )
        for line in (head, *lines)
    ]


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


def _searched(plan: Plan) -> str:
    search, states = plan.study.search, Counter(trial.state for trial in plan.trials)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    budget = search.trials if search is not None else 0
    end = f"; trial {plan.chosen.number} is chosen" if plan.chosen is not None else ""
    return f"{len(plan.trials)} of {budget} trials" + (f" ({counts})" if counts else "") + end


def states(states: Iterable[RunState]) -> str:
    """How many runs there are, in all and in each state."""
    counts = Counter(states)
    parts = [f"{count} {state}" for state, count in counts.most_common()]
    return f"{counts.total()} ({', '.join(parts)})" if parts else "none"


def duration(seconds: float | None) -> str:
    """How long the rest of a study will take, in words."""
    if seconds is None:
        return "unknown until every method has a complete run on this machine"
    if seconds == 0:
        return "none"
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest} s" if minutes else f"about {rest} s"

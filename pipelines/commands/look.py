"""`plan` and `status`: look at a study without touching it."""

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from typing import Any

from m2pt.identity import Spec, run_id
from m2pt.records import FAILURE, read_json
from m2pt.study_file import load_study
from pipelines.launch import slots
from pipelines.plan import Plan, State, cost_s, resolve


def plan(options: Namespace) -> int:
    """Show what would run, what is done, what waits, and what it will cost."""
    found = resolve(load_study(options.study))
    document = _document(found, str(options.study))
    print(json.dumps(document, indent=1) if options.json else _text(found, document))
    return 0


def status(options: Namespace) -> int:
    """Show counts by state, and every failed run with its reason; 1 where one failed."""
    found = resolve(load_study(options.study))
    print(f"{found.study.study}: {_counted(found, found.specs)}")
    failed = [spec for spec in found.specs if found.state(spec) == "failed"]
    for spec in failed:
        print(f"  {run_id(spec)}: {_reason(found, spec)}")
    return 1 if failed else 0


def _reason(found: Plan, spec: Spec) -> str:
    run_dir = found.run_dir(spec)
    return "" if run_dir is None else str(read_json(run_dir / FAILURE)["error"])


def _document(found: Plan, file: str) -> dict[str, Any]:
    places = slots(found.study.execution)
    return {
        "study": found.study.study,
        "file": file,
        "data": {"root": found.study.data.root, "missing": list(found.missing_data)},
        "slots": [slot.name for slot in places],
        "estimated_seconds": cost_s(found, len(places)),
        "pretrain": [_entry(found, spec) for spec in found.pretrain],
        "runs": [_entry(found, spec) for spec in found.runs],
    }


def _entry(found: Plan, spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, "run_id": run_id(spec) if found.is_ready(spec) else None, "state": found.state(spec)}


def _text(found: Plan, document: dict[str, Any]) -> str:
    data = f"missing: {', '.join(found.missing_data)}" if found.missing_data else "there"
    lines = [
        f"study     {document['study']} ({document['file']})",
        f"data      {data} ({found.study.data.root})",
        f"encoders  {_counted(found, found.pretrain)}",
        f"runs      {_counted(found, found.runs)}",
        f"slots     {', '.join(document['slots'])}",
        f"cost      {_duration(document['estimated_seconds'])}",
    ]
    left = [entry for entry in (*document["pretrain"], *document["runs"]) if entry["state"] != "complete"]
    lines += ["", *(f"{entry['state']:<12}{entry['run_id'] or entry['name']}" for entry in left)] if left else []
    return "\n".join(lines)


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

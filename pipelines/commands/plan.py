"""`plan`: what a study would run, what is done, what is waiting, and what it will cost."""

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from m2pt.analysis.paper.departures import uses
from m2pt.analysis.tables.caveats import unplanned
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.commands.costs import costs
from pipelines.commands.plan_text import text
from pipelines.commands.verifying import verify_first
from pipelines.planning import environments, replicates, study_file
from pipelines.planning.default_study import require_reproducible
from pipelines.planning.folders import data_folder
from pipelines.planning.plan import Plan, resolve
from pipelines.planning.refused_runs import assumed, refusals, without_seed
from pipelines.planning.task_samples import task_samples
from pipelines.reporting.rendering import is_default


def plan(options: Namespace) -> int:
    """Print what a study would run, what is done, what is waiting, and what it will cost; 1 if something is damaged.

    Nothing is changed, but `--seeds-needed` shows differences in test scores, which is a look at results and is noted as one.
    """
    declared = study_file.load(options.study)
    if is_default(options.study):
        require_reproducible(declared, options.study)
    verify_first(options, declared)
    resolved = resolve(declared, to_look=not options.seeds_needed)
    if options.seeds_needed:
        from pipelines.commands import seeds_needed  # it needs the statistics, which nothing else of a plan does
        from pipelines.commands.looking import note_before

        note_before(resolved)
        print("\n".join(seeds_needed.lines(resolved)))
        return 0
    document = _document(resolved, str(options.study))
    print(json.dumps(document, indent=1) if options.json else text(resolved, document))
    return 1 if resolved.faults else 0


def _document(plan: Plan, file: str) -> dict[str, Any]:
    """The plan as it is printed with `--json`."""
    refused = refusals(plan)
    samples = task_samples(plan)
    cost = costs(plan, refused)
    return (
        {
            "study": plan.study.study,
            "file": file,
            "data": {
                "root": plan.study.data.root,
                "missing": {f"data of {key}": str(data_folder(plan.study, key)) for key in plan.missing_data},
            },
            "samples": [item.document() for item in samples],
            "faults": list(plan.faults),
            "weights": {
                "missing": {key: str(path) for key, path in plan.missing_weights.items()},
                "assumed": assumed(plan),
            },
            "unplanned": unplanned(plan.study, plan.runs),
            "environments": environments.warnings(plan),
            "replicates": [asdict(way) for way in replicates.costs(plan.study, plan.made)],
            "slots": cost.slots,
            "estimated_seconds": cost.seconds,
            "gpu_hours": cost.gpu_hours,
            "refused": _refused(plan, refused),
            "assumption": cost.assumption,
            "cells": [asdict(cell) for cell in cost.cells],
            "recipes": [asdict(use) for use in uses(plan.parts)],
            "pretrain": [_entry(plan, spec) for spec in plan.pretrain],
            "runs": [_entry(plan, spec) for spec in plan.runs],
        }
        | ({"search": _search(plan)} if plan.study.search is not None else {})
        | ({"tuning": _tuning(plan)} if plan.arms else {})
    )


def _refused(plan: Plan, refused: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of the runs that cannot start, by reason."""
    listed: dict[str, list[str]] = {}
    for spec in plan.specs if refused else ():
        if (reason := refused.get(without_seed(spec))) is not None:
            listed.setdefault(reason, []).append(plan.label(spec))
    return listed


def _tuning(plan: Plan) -> dict[str, Any]:
    from pipelines.commands.plan_tuning import tuning  # its words come with the statistics of a report

    return tuning(plan)


def _search(plan: Plan) -> dict[str, Any]:
    """The trials of the search so far."""
    trials = [asdict(trial) | {"values": dict(trial.values)} for trial in plan.trials]
    budget = plan.study.search.trials if plan.study.search is not None else 0
    return {"budget": budget, "trials": trials, "chosen": plan.chosen.number if plan.chosen is not None else None}


def _entry(plan: Plan, spec: Spec) -> dict[str, Any]:
    return {"name": plan.label(spec), "run_id": run_id(spec) if plan.is_ready(spec) else None, "state": plan.state(spec)}

"""What `plan` says of a tuned sweep: the trials of its arms, what is chosen so far, and which runs are still to come."""

from dataclasses import asdict
from typing import Any

from m2pt.analysis.tables.phrases import counted
from m2pt.runs.arms import ArmRates
from pipelines.planning.plan import Plan


def sentences(plan: Plan) -> list[str]:
    """The state of the tuning in a few lines."""
    arms = plan.arms
    trials = sum(len(arm.trials) for arm in arms)
    runs = len({spec.model_dump_json() for arm in arms for specs in arm.runs for spec in specs})
    each = sorted({len(arm.trials) for arm in arms})
    ended = sum(trial.state != "unfinished" for arm in arms for trial in arm.trials)
    failed = sum(len(arm.failed) for arm in arms)
    chosen = sum(arm.chosen is not None for arm in arms)
    to_come = plan.to_come.total()
    lines = [
        f"{len(arms)} arms × {' or '.join(map(str, each))} trials = {trials} trials in {counted(runs, 'run')}; "
        f"{counted(ended, 'trial')} ended" + (f", {failed} of them failed" if failed else ""),
        f"rates are chosen for {chosen} of {len(arms)} arms"
        + (f"; {counted(to_come, 'run')} on fresh seeds to come" if to_come else ""),
    ]
    lines += [f"no trial of {arm.arm.name} is complete: it is not run" for arm in arms if arm.is_over and arm.chosen is None]
    return lines


def tuning(plan: Plan) -> dict[str, Any]:
    """The tuning as it is printed with `--json`."""
    return {"to_come": plan.to_come.total(), "arms": [_arm(each) for each in plan.arms]}


def _arm(each: ArmRates) -> dict[str, Any]:
    trials = [
        {"values": dict(trial.values), "state": trial.state, "val_score": trial.score, "reason": trial.reason}
        for trial in each.trials
    ]
    return {"arm": asdict(each.arm), "trials": trials, "chosen": dict(each.chosen.values) if each.chosen is not None else None}

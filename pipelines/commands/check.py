"""`check`: all that is wrong with study files, each fault at its line and column, and what their studies would cost."""

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.config.base import visible
from m2pt.config.installed import require_plugins
from m2pt.config.lines import Fault, ended
from m2pt.config.schema import text
from pipelines.commands.costs import Costs, costs
from pipelines.commands.plan_text import duration, states
from pipelines.execution.program import as_called
from pipelines.planning.checking import Checked, key_of
from pipelines.planning.checking import check as checked
from pipelines.planning.default_study import require_reproducible
from pipelines.planning.refused_runs import assumed
from pipelines.planning.task_facts import doubtful
from pipelines.reporting.rendering import is_default


@dataclass(frozen=True)
class _Answer:
    """A study file with its faults, and the costs of its study if they are known."""

    checked: Checked
    faults: tuple[Fault, ...]
    costs: Costs | None

    def document(self) -> dict[str, Any]:
        """As plain data."""
        plan = self.checked.plan
        faults = [
            {"line": each.line, "column": each.column, "key": key_of(each), "sentence": ended(each.sentence)}
            for each in self.faults
        ]
        known: dict[str, Any] = {"file": self.checked.file, "faults": faults, "study": None, "cost": None}
        if plan is None or self.costs is None:
            return known
        return known | {
            "study": plan.study.study,
            "assumed": assumed(plan),
            "doubtful": doubtful(plan.study),
            "cost": {
                "encoders": len(plan.pretrain),
                "runs": len(plan.runs),
                "left": len(plan.unfinished(plan.specs)),
                "slots": self.costs.slots,
                "estimated_seconds": self.costs.seconds,
                "gpu_hours": self.costs.gpu_hours,
                "assumption": self.costs.assumption,
            },
        }

    def lines(self) -> list[str]:
        """For the terminal: a line for each fault, then the costs."""
        file, plan = self.checked.file, self.checked.plan
        lines = [
            f"{file}{'' if each.line is None else f':{each.line}:{each.column}'}: {as_called(ended(each.sentence))}"
            for each in self.faults
        ]
        lines += [] if lines else [f"{file}: nothing is wrong."]
        if plan is None or self.costs is None:
            return [*lines, "  cost      unknown until the file is right"]
        hours, assumption = self.costs.gpu_hours, self.costs.assumption
        return [
            *lines,
            f"  encoders  {states(map(plan.state, plan.pretrain))}",
            f"  runs      {states(map(plan.state, plan.runs))}",
            *(f"  doubtful  {visible(sentence)}." for sentence in doubtful(plan.study)),
            *(f"  assumed   {sentence}." for sentence in assumed(plan)),
            f"  slots     {', '.join(self.costs.slots)}",
            f"  cost      {duration(self.costs.seconds)}",
            *([] if hours is None else [f"  hours     about {hours:,.0f} on a GPU", f"            {assumption}"]),
        ]


def check(options: Namespace) -> int:
    """Print all that is wrong with study files, and what their studies would cost; 2 if there is a fault. Nothing is changed.

    Raises:
        UserError: no file is named.

    """
    if options.schema:
        require_plugins()
        print(text(), end="")
        return 0
    if not options.files:
        raise UserError("check: no study file is named; name one, or more.")
    answers = [_answer(file) for file in options.files]
    if options.json:
        print(json.dumps([answer.document() for answer in answers], indent=1))
    else:
        print("\n".join(line for answer in answers for line in answer.lines()))
    return 2 if any(answer.faults for answer in answers) else 0


def _answer(file: Path) -> _Answer:
    known = checked(file)
    plan, faults = known.plan, list(known.faults)
    if plan is not None and is_default(file):
        try:
            require_reproducible(plan.study, file)
        except UserError as error:
            faults.insert(0, Fault(1, str(error).removeprefix(f"{file}: "), 1))
    if plan is None:
        return _Answer(known, tuple(faults), None)
    return _Answer(known, tuple(faults), costs(plan, {key: reasons[0] for key, reasons in known.refused.items()}))

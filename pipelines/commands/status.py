"""`status`: what of a study runs where and until when, how many runs are in each state, why runs failed, what takes space."""

import json
from argparse import Namespace

from pipelines.commands.status_document import Status, document, status_of, warnings
from pipelines.commands.status_text import failure_lines, going_lines, study_line
from pipelines.commands.verifying import verify_first
from pipelines.execution.program import as_called
from pipelines.housekeeping.project import space
from pipelines.housekeeping.sizes import in_words
from pipelines.planning import study_file
from pipelines.planning.plan import Plan, resolve
from pipelines.reporting.rendering import study_option
from pipelines.scheduling.killed import killed


def status(options: Namespace) -> int:
    """Print what goes on, how many runs are in each state, each reason of a failure once, what takes space.

    Returns 1 if a run failed, or something is damaged.

    Raises:
        UserError: `--watch` without a terminal.

    """
    study = study_file.load(options.study)
    verify_first(options, study)
    if options.watch:
        from pipelines.commands.status_watch import watch  # it draws, with a library of its own

        return watch(study, study_option(options.study))
    now = status_of(resolve(study, to_look=True))
    print(json.dumps(document(now), indent=1) if options.json else "\n".join(_lines(now, study_option(options.study))))
    return 1 if now.failed or now.plan.faults else 0


def _lines(status: Status, option: str) -> list[str]:
    inner = [
        *going_lines(status, option=option),
        *warnings(status.plan),
        *failure_lines(status),
        *_killed(),
        *_space(status.plan, option),
    ]
    return [study_line(status), *(f"  {as_called(line)}" for line in inner)]


def _killed() -> list[str]:
    left = len(killed())
    words = "1 flow run was killed; Prefect shows it" if left == 1 else f"{left} flow runs were killed; Prefect shows them"
    return [f"{words} as going on until the next `m2pt serve`, `m2pt ui --prefect` or `m2pt study`"] if left else []


def _space(plan: Plan, option: str) -> list[str]:
    places = space(plan.study)
    if not places:
        return []
    total = in_words(sum(size for _, size in places))
    return [
        f"space: {total}; `m2pt gc{option}` lists what can be deleted",
        *(f"{in_words(size):>10}  {words}" for words, size in places),
    ]

"""`status`: how many runs of a study are in each state, why runs failed, and what takes space."""

from argparse import Namespace

from m2pt.analysis.tables.left_out import mixtures
from m2pt.runs.failure import by_reason, read_failure
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from m2pt.runs.table import read_results
from pipelines.commands.plan_text import counted
from pipelines.execution.program import as_called
from pipelines.housekeeping.project import space
from pipelines.housekeeping.sizes import in_words
from pipelines.planning import environments, study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan, resolve
from pipelines.planning.task_samples import task_samples
from pipelines.scheduling.killed import killed


def status(options: Namespace) -> int:
    """Print how many runs are in each state, each reason of a failure once, and what takes space; returns 1 if a run failed."""
    plan = resolve(study_file.load(options.study))
    print(f"{plan.study.study}: {counted(plan, plan.specs)}")
    for warning in environments.warnings(plan):
        print(f"  {warning}")
    for item in task_samples(plan):
        print(f"  samples of {item.words}")
    for sentence in mixtures(*read_results(plan.compared, runs_folder(plan.study))):
        print(f"  {sentence}")
    failed = [spec for spec in plan.specs if plan.state(spec) == RunState.FAILED]
    for reason, runs in by_reason(((run_id(spec), spec.name), _reason(plan, spec)) for spec in failed).items():
        lines = (
            [f"{runs[0]}: {reason}"] if len(runs) == 1 else [f"{len(runs)} runs failed: {reason}", *(f"  {run}" for run in runs)]
        )
        print("\n".join(f"  {line}" for line in lines))
    if left := killed():
        words = "1 flow run was killed; Prefect shows it"
        words = words if len(left) == 1 else f"{len(left)} flow runs were killed; Prefect shows them"
        print(as_called(f"  {words} as going on until the next `m2pt serve`, `m2pt ui --prefect` or `m2pt study`"))
    _print_space(plan)
    return 1 if failed else 0


def _print_space(plan: Plan) -> None:
    places = space(plan.study)
    if places:
        print(as_called(f"  space: {in_words(sum(size for _, size in places))}; `m2pt gc` lists what can be deleted"))
    for words, size in places:
        print(f"  {in_words(size):>10}  {words}")


def _reason(plan: Plan, spec: Spec) -> str:
    run_dir = plan.run_dir(spec)
    return "" if run_dir is None else read_failure(run_dir).error

"""That runs which are compared with one another come from one environment, unless the study file allows others."""

from collections.abc import Callable, Sequence
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.environment import WAY_OUT, Compared
from m2pt.runs.spec import Spec
from pipelines.execution import aside
from pipelines.planning import environments
from pipelines.planning.plan import PRETRAINING, Plan


class Agreement:
    """With which environments the runs of each kind are compared; a run may start in no other one."""

    def __init__(self, study: Study, say: Callable[[str], None]) -> None:
        self._study = study
        self._say = say
        self._compared_with: dict[str, set[Compared]] = {}

    def require(self, plan: Plan, ours: Compared | None, *kinds: str) -> None:
        """Let no run start that would be compared with runs of another environment than `ours`, unless the study file allows it.

        Where runs go to machines that are not known before (`ours` is None), each of them looks by itself (`beside`).

        Raises:
            UserError: it does not allow it; the sentence says what differs.

        """
        ours = environments.declared(ours, self._study) if ours else None
        rule = self._study.execution.other_environment
        for kind in kinds:
            specs: Sequence[Spec] = plan.pretrain if kind == PRETRAINING else plan.runs
            recorded = environments.recorded(plan, specs)
            differing = environments.differing(recorded, ours) if ours else {}
            if differing and rule == "redo":
                aside.replace(differing)
                self._say(f"{self._study.study}: {environments.clause(differing, kind)}: put aside, to be run again.")
            elif differing and (plan.unfinished(specs) or plan.to_come):
                clash = f"{self._study.study}: new {kind} runs would be compared with {environments.clause(differing, kind)}"
                if rule == "refuse":
                    raise UserError(f"{clash}; {WAY_OUT}.")
                self._say(f"{clash}; the report names them all.")
            elif environments.is_mixed(recorded):
                others = environments.differing(recorded, ours or next(iter(recorded.values()))[0])
                mixed = f"runs of several environments are compared: {environments.clause(others, kind)}"
                self._say(f"{self._study.study}: {mixed}; the report names them all.")
            if rule != "mix":
                kept = [theirs for run_dir, theirs in recorded.items() if run_dir not in differing]
                self._compared_with[kind] = {environment for theirs in kept for environment in theirs}

    def beside(self, kind: str) -> tuple[Compared, ...]:
        """The environments with which a run of a kind will be compared: it refuses to differ from them."""
        return tuple(self._compared_with.get(kind, ()))

    def add(self, kind: str, run_dir: Path) -> None:
        """A run has ended, with which others will be compared."""
        if kind in self._compared_with:
            self._compared_with[kind] |= set(environments.of_run(run_dir))

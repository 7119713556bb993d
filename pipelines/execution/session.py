"""One execution of a study: its lock, engine, tracking and display, and how each run ended. It does not depend on Prefect."""

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState, create_run
from m2pt.runs.inputs import JobInputs
from m2pt.runs.spec import PretrainSpec, Spec
from m2pt.runs.trials import is_trial
from pipelines.execution import aside
from pipelines.execution.agreement import Agreement
from pipelines.execution.decoding import make_decoded
from pipelines.execution.device_hours import DeviceHours, budget_of
from pipelines.execution.engine import Engine
from pipelines.execution.engines import chosen_engine
from pipelines.execution.leftovers import remove_leftovers
from pipelines.execution.outcome import Ended as Ended
from pipelines.execution.outcome import Outcome as Outcome
from pipelines.execution.outcome import scores
from pipelines.execution.progress import Display
from pipelines.execution.shown import Nowhere, Shown
from pipelines.planning.folders import aside_of, data_folder, encoders_folder, runs_folder, study_lock
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan, resolve
from pipelines.planning.refused_runs import require_startable
from pipelines.planning.weight_files import fetch_missing
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.sweep import sweep_of
from pipelines.tracking.trackers import chosen_tracker

_NO_SPACE = os.strerror(errno.ENOSPC)
_WAITS = "waits for an encoder that does not exist yet"
_LEFT = "was stopped before its end, or was not begun; the next start does it"


class Session:
    """Holds the lock of a study and does its runs. Only one session of a study can be open; its display is the caller's.

    Raises:
        UserError: the study is running already (on entering).

    """

    def __init__(self, study: Study, display: Display, make_engine: Callable[[Study], Engine] = chosen_engine) -> None:
        self.study = study
        self.display = display
        self.shown: Shown = Nowhere()
        self._make_engine = make_engine
        self.engine = make_engine(study)
        self._open = ExitStack()
        self._guard = threading.RLock()
        self._tracking: LiveTracking | None = None
        self._plan: Plan | None = None
        self._ended: dict[str, Ended] = {}
        self._going = 0
        self._stopped = False
        self.is_asked_to_end = False
        self.out_of_space: str | None = None
        self.budget: DeviceHours | None = None
        self._looked_through = False
        self._agreement = Agreement(study, display.say)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(study_lock(runs_folder(self.study)))
            opening.callback(lambda: self.engine.close())
            if (sentence := aside.replace_damaged_journal(self.study)) is not None:
                self.display.say(sentence)
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def plan(self) -> Plan:
        """The plan as it was at the last look."""
        if self._plan is None:
            self._plan = resolve(self.study)
        return self._plan

    def look_again(self) -> Plan:
        """The plan as it is now, with the data as they were."""
        known = self.plan.prints.data if not self.plan.missing_data else None
        self._plan = resolve(self.study, known)
        return self._plan

    def make_data(self) -> bool:
        """Make the study's embedded data unless they are there as declared; returns whether any were made.

        Raises:
            UserError: data are missing and the study does not say how to make them; or files of weights are missing.

        """
        made = False
        self._require_weights()
        if self.study.data.embedded is not None and self.plan.missing_data:
            made = make_decoded(self.study, self.plan, Path(self.study.data.root), self.display)
            self._plan = None
        self.require_data()
        return made

    def require_data(self) -> None:
        """Raise `UserError` if data or files of weights of the study are missing."""
        if missing := self.plan.missing_data:
            folders = ", ".join(str(data_folder(self.study, key)) for key in missing)
            way_out = (
                "make them with `m2pt study` or `m2pt data`"
                if self.study.data.embedded is not None
                else "put the data there, or correct data.root"
            )
            raise UserError(f"data.root: the declared data are not in {folders}; {way_out}.")
        self._require_weights()

    def _require_weights(self) -> None:
        if fetch_missing(self.study, self.plan.missing_weights):
            self._plan = None

    def warm(self) -> None:
        """Prepare the engine and tracking, without waiting for them."""
        self.engine.warm(len(self.plan.unfinished(self.plan.specs)))  # a run that waits for data or encoders counts too
        self._start_tracking()

    def stop(self) -> None:
        """Cancel the runs that are going on; the next start continues them from their last checkpoint."""
        if self._going and not self._stopped:
            self.display.say(f"{self.study.study}: ending the runs that go on; the next start continues them.")
        self._stopped = True
        self.engine.close()

    @property
    def stopped(self) -> bool:
        """Whether the runs were cancelled."""
        return self._stopped

    @property
    def has_run(self) -> bool:
        """Whether a run has ended, in whatever way, since it was opened."""
        return bool(self._ended)

    def ask_to_end(self) -> bool:
        """Note that the session should end; whoever watches over its runs stops them. Returns True."""
        self.is_asked_to_end = True
        return True

    def go_on(self) -> None:
        """After `stop`, allow runs again, on a fresh engine."""
        self.engine = self._make_engine(self.study)
        self._stopped = False

    def _start_tracking(self) -> LiveTracking:
        with self._guard:
            if self._tracking is None:
                make_tracker = partial(chosen_tracker(), sweep_of(self.study))
                self._tracking = self._open.enter_context(LiveTracking(make_tracker, self.display.say))
            return self._tracking

    def end_tracking(self, state: RunState | None = None, limit_s: float | None = None) -> None:
        """End the sweep in the tracker, in this state or that of its runs, so that nothing which comes after leaves it open."""
        with self._guard:
            if self._tracking is not None:
                ended = RunState.COMPLETE if all(item.ok for item in self._ended.values()) else RunState.FAILED
                self._tracking.end(state or ended, limit_s)
                self._tracking = None

    def tidy(self) -> None:
        """Let the folders of the study hold exactly the runs that it declares, as far as those have their ids."""
        self._replace_damaged()
        back: Counter[Path] = Counter()
        while returned := aside.bring_back(self.look_again()):  # an encoder that came back gives others their ids
            back += returned
        for (folder, what), count in aside.put_aside(self.plan).items():
            self.display.say(f"{_runs(count)} in {folder} {what} put aside in {aside_of(folder)}.")
        for folder, count in back.items():
            self.display.say(f"{_runs(count)} put aside before came back to {folder}.")
        if back:
            self._replace_damaged()

    def _replace_damaged(self) -> None:
        for sentence in aside.replace_damaged(self.look_again()):
            self.display.say(sentence)

    def prepare(self, *kinds: str) -> None:
        """Bring the folders in line with the study (`tidy`), and check the environments of their runs (`agree`).

        Raises:
            UserError: runs cannot start, or the environments of runs differ.

        """
        if not self._looked_through:
            self.engine.environment()  # one that cannot be used says so before anything is moved
            require_startable(self.plan)
            self._looked_through = True
            remove_leftovers(self.plan)
        self.tidy()
        self.agree(*kinds)
        self.budget = budget_of(self.plan, self.engine.capacity)

    def agree(self, *kinds: str) -> None:
        """Let no run start that would be compared with runs of another environment (`Agreement.require`)."""
        self._agreement.require(self.look_again(), self.engine.environment(), *kinds)

    def assigned(self, spec: Spec) -> tuple[Path, JobInputs]:
        """The folder of a run that is ready, which is made if it is not there, and the inputs of its job."""
        folder = encoders_folder(self.study) if isinstance(spec, PretrainSpec) else runs_folder(self.study)
        inputs = job_inputs(self.plan, spec).model_copy(update={"beside": self._agreement.beside(_kind(spec))})
        return create_run(folder, spec, self.display.say), inputs

    def do(self, spec: Spec, again: bool = False) -> Ended:
        """Do one run on the next free slot; blocks until it has ended. Many threads may call this at once.

        `again` says that a run whose worker died will be tried again, so that its end is not reported yet.
        """
        if self.budget is not None and self.budget.is_spent(more=1):
            self.stop()
            return Ended(False, _LEFT)
        name = self.plan.label(spec)
        self.display.started(name)
        with self._guard:
            self._going += 1
        try:
            ended = self._do(spec)
        except UserError as error:
            ended = Ended(False, str(error))
        finally:
            with self._guard:
                self._going -= 1
        if not ended.ok and _NO_SPACE in ended.result:  # every other run would fail of it too
            self.out_of_space = f"{name}: {ended.result}"
            self.stop()
        if (self._stopped and not ended.ok) or (ended.died and again):
            return ended
        with self._guard:
            self._ended[name] = ended
        self.display.ended(name, ended.result, ended.seconds, failed=not ended.ok)
        return ended

    def _do(self, spec: Spec) -> Ended:
        plan = self.plan
        if isinstance(spec, PretrainSpec) and not spec.ready:
            with self._guard:
                plan = self.look_again()
            spec = next(made for made in plan.pretrain if made.name == spec.name)
        if not plan.is_ready(spec):
            return Ended(False, _WAITS)
        run_dir, inputs = self.assigned(spec)
        trial = is_trial(self.study, spec)
        self._start_tracking().run_started(spec, run_dir, trial)
        with nullcontext() if self.budget is None else self.budget.counting(run_dir):
            result = self.engine.run(run_dir, inputs, self.study.execution.time_limit_s)
        self._start_tracking().run_ended(spec, run_dir, trial)
        if result.status == RunState.COMPLETE:
            self._agreement.add(_kind(spec), run_dir)
            splits = ("val",) if trial else ("val", "test")  # a trial shows no test score
            return Ended(True, scores(run_dir, splits), seconds=result.seconds)
        return Ended(False, result.error or "failed without a reason", result.died, result.seconds)

    def outcome(self, kind: str, among: Sequence[Spec] | None = None) -> Outcome:
        """How the runs of a kind (`pretraining` or `fine-tuning`), or those `among`, ended, as the disk shows it."""
        plan = self.look_again()
        specs: Sequence[Spec] = among if among is not None else plan.pretrain if kind == PRETRAINING else plan.runs
        outcome = Outcome(kind, len(specs), 0)
        for spec in specs:
            ended = self._ended.get(plan.label(spec))
            match state := plan.state(spec):
                case RunState.COMPLETE:
                    outcome.complete += 1
                case RunState.WAITING:
                    outcome.waiting[plan.label(spec)] = _WAITS
                case RunState.FAILED if ended is None:
                    outcome.failed[plan.label(spec)] = plan.failure(spec)
                case _ if ended is not None and (state == RunState.FAILED or not ended.died):
                    outcome.failed[plan.label(spec)] = ended.result
                case _:
                    outcome.left[plan.label(spec)] = _LEFT
        return outcome


def _kind(spec: Spec) -> str:
    return PRETRAINING if isinstance(spec, PretrainSpec) else FINE_TUNING


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"

"""One execution of a study: lock, slots, tracking, display, and what became of each run. Knows nothing of Prefect."""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from m2pt.config import Study, UserError
from m2pt.files.documents import read_json
from m2pt.runs.environment import WAY_OUT, Compared
from m2pt.runs.folder import FAILURE, RunState, create_run
from m2pt.runs.record import read_record
from m2pt.runs.spec import PretrainSpec, Spec
from m2pt.runs.trials import is_trial
from pipelines.execution import aside
from pipelines.execution.launch import SlotPool
from pipelines.execution.process_environment import LOGS
from pipelines.execution.progress import Display
from pipelines.planning import environments
from pipelines.planning.embedded_data import make_data
from pipelines.planning.folders import aside_of, data_folder, encoders_folder, runs_folder, study_lock
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan, resolve, sweep_id
from pipelines.planning.slots import slots
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.tracker import chosen_tracker


@dataclass(frozen=True)
class Ended:
    """How one run ended: `result` says it in words; `died` where its worker did, and another attempt is worth while.

    `seconds` is the time its worker spent on it, without the wait for a slot.
    """

    ok: bool
    result: str
    died: bool = False
    seconds: float = 0.0


@dataclass
class Outcome:
    """What became of a set of runs of one kind; `failed` and `waiting` say why, by name."""

    kind: str
    total: int
    complete: int
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every run is complete."""
        return self.complete == self.total

    def sentence(self) -> str:
        """The outcome in one sentence."""
        parts = [f"{self.complete} of {self.total} {self.kind} runs are complete"]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += [f"{len(self.waiting)} wait for encoders that are not made"] if self.waiting else []
        return ", ".join(parts)


class Session:
    """Holds the lock of a study and does its runs. Only one session of a study can be open.

    Raises:
        UserError: the study is running already (on entering).

    """

    def __init__(self, study: Study, display: Display, worker_command: Sequence[str] | None = None) -> None:
        self.study = study
        self.display = display
        self.slots = slots(study.execution)
        self._worker_command = worker_command
        self._open = ExitStack()
        self._guard = threading.RLock()
        self._pool: SlotPool | None = None
        self._tracking: LiveTracking | None = None
        self._plan: Plan | None = None
        self._ended: dict[str, Ended] = {}
        self._stopped = False
        self._beside: dict[str, set[Compared]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.display)
            opening.enter_context(study_lock(runs_folder(self.study)))
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def plan(self) -> Plan:
        """The plan as it stood when it was last looked at."""
        if self._plan is None:
            self._plan = resolve(self.study)
        return self._plan

    def look_again(self) -> Plan:
        """The plan as it stands now, the data taken as they were."""
        known = self.plan.prints.data if not self.plan.missing_data else None
        self._plan = resolve(self.study, known)
        return self._plan

    def make_data(self) -> bool:
        """Make the study's embedded data where they are not there as declared; whether any were made.

        Raises:
            UserError: data are missing and the study does not say how to make them.

        """
        made = False
        if self.study.data.embedded is not None and self.plan.missing_data:
            made = make_data(Path(self.study.data.root), self.study.data.embedded)
            self._plan = None
        self.require_data()
        return made

    def require_data(self) -> None:
        """Raise `UserError` where the study's data are not there."""
        if missing := self.plan.missing_data:
            folders = ", ".join(str(data_folder(self.study, key)) for key in missing)
            way_out = (
                "make them with `m2pt study` or `m2pt data`"
                if self.study.data.embedded is not None
                else "put the data there, or correct data.root"
            )
            raise UserError(f"data.root: there are no data as declared in {folders}; {way_out}.")
        if absent := self.plan.missing_weights:
            listed = ", ".join(f"{key} ({path})" for key, path in absent.items())
            raise UserError(f"these files of weights are not there: {listed}; fetch them, or correct the paths.")

    def warm(self) -> None:
        """Start workers and tracking now, without waiting for them."""
        self.pool.warm(len(self.plan.unfinished(self.plan.specs)))  # a run that waits for data or encoders counts too
        self._start_tracking()

    def stop(self) -> None:
        """End all runs under way; they go on from their last checkpoint with the next start."""
        self._stopped = True
        self.pool.close()

    @property
    def pool(self) -> SlotPool:
        """The slots with their workers, made when first wanted."""
        with self._guard:
            if self._pool is None:
                LOGS.mkdir(parents=True, exist_ok=True)
                self._pool = self._open.enter_context(SlotPool(self.slots, self._worker_command, LOGS))
            return self._pool

    def _start_tracking(self) -> LiveTracking:
        with self._guard:
            if self._tracking is None:
                make_tracker = partial(chosen_tracker(), self.study.study, sweep_id(self.study))
                live = LiveTracking(make_tracker, self.display.say)
                self._tracking = self._open.enter_context(live)
            return self._tracking

    def tidy(self) -> None:
        """Have the folders of the study hold the runs it declares and no others, as far as those have their ids."""
        back: Counter[Path] = Counter()
        while found := aside.bring_back(self.look_again()):  # an encoder that came back gives others their ids
            back += found
        for folder, count in aside.put_aside(self.plan).items():
            self.display.say(f"{_runs(count)} in {folder} that the study no longer declares put aside in {aside_of(folder)}.")
        for folder, count in back.items():
            self.display.say(f"{_runs(count)} put aside before came back to {folder}.")

    def prepare(self, *kinds: str) -> None:
        """Have the folders hold what the study declares, and what stands go with what will be done: `tidy` and `agree`."""
        self.tidy()
        self.agree(*kinds)

    def agree(self, *kinds: str) -> None:
        """Have no run begin that would be compared with runs of another environment, but as the study file allows it.

        Raises:
            UserError: it does not; the sentence says what differs.

        """
        plan = self.look_again()
        ours, rule = environments.here(self.study), self.study.execution.other_environment
        for kind in kinds:
            specs: Sequence[Spec] = plan.pretrain if kind == PRETRAINING else plan.runs
            known = environments.recorded(plan, specs)
            found = environments.differing(known, ours)
            if found and rule == "redo":
                aside.replace(found)
                self.display.say(f"{self.study.study}: {environments.clause(found, kind)}: put aside, to be done anew.")
            elif found and (plan.unfinished(specs) or plan.to_come):
                said = f"{self.study.study}: new {kind} runs would be compared with {environments.clause(found, kind)}"
                if rule == "refuse":
                    raise UserError(f"{said}; {WAY_OUT}.")
                self.display.say(f"{said}; the report names them all.")
            elif environments.is_mixed(known):
                said = f"{environments.clause(found, kind)} stand beside others; the report names them all"
                self.display.say(f"{self.study.study}: {said}.")
            if rule != "mix":
                self._beside[kind] = {there for run_dir, theirs in known.items() if run_dir not in found for there in theirs}

    def do(self, spec: Spec, again: bool = False) -> Ended:
        """Do one run on the next free slot; blocks until it has ended. May be called from many threads.

        `again` says that a run whose worker died will be tried again, so that its end is not told yet.
        """
        name = self.plan.label(spec)
        self.display.started(name)
        try:
            ended = self._do(spec)
        except UserError as error:
            ended = Ended(False, str(error))
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
            return Ended(False, "waits for an encoder that is not made")
        folder = encoders_folder(self.study) if isinstance(spec, PretrainSpec) else runs_folder(self.study)
        run_dir = create_run(folder, spec)
        self._start_tracking().run_started(spec, run_dir)
        kind = PRETRAINING if isinstance(spec, PretrainSpec) else FINE_TUNING
        inputs = job_inputs(plan, spec) | {"beside": list(self._beside.get(kind, ()))}
        result = self.pool.run(run_dir, inputs, self.study.execution.time_limit_s)
        self._start_tracking().run_ended(spec, run_dir)
        if result.status == RunState.COMPLETE:
            if kind in self._beside:
                self._beside[kind] |= set(environments.of_run(run_dir))
            splits = ("val",) if is_trial(self.study, spec) else ("val", "test")  # a search shows nobody a test score
            return Ended(True, scores(run_dir, splits), seconds=result.seconds)
        died = (run_dir / FAILURE).is_file() and read_json(run_dir / FAILURE)["kind"] == "worker_died"
        return Ended(False, result.error or "failed without a word", died, result.seconds)

    def outcome(self, kind: str, among: Sequence[Spec] | None = None) -> Outcome:
        """What became of the runs of a kind (`pretraining` or `fine-tuning`), or of those `among`, as it lies on the disk."""
        plan = self.look_again()
        specs: Sequence[Spec] = among if among is not None else plan.pretrain if kind == PRETRAINING else plan.runs
        outcome = Outcome(kind, len(specs), 0)
        for spec in specs:
            ended = self._ended.get(plan.label(spec))
            match plan.state(spec):
                case RunState.COMPLETE:
                    outcome.complete += 1
                case RunState.WAITING:
                    outcome.waiting[plan.label(spec)] = "waits for an encoder that is not made"
                case _:
                    outcome.failed[plan.label(spec)] = ended.result if ended is not None else "did not come to its turn"
        return outcome


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def scores(run_dir: Path, splits: Sequence[str] = ("val", "test")) -> str:
    """The result of a complete run on some splits in a few words."""
    record = read_record(run_dir)
    named = {split: record.get(f"{split}_score") for split in splits}
    return " ".join(f"{split} {value:.4g}" for split, value in named.items() if value is not None)

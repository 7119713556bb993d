"""The runs that go on now: where, since when, how far they are, and until when by an estimate from the records."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from m2pt.config import UserError
from m2pt.runs.attempts import Attempt, read_attempts
from m2pt.runs.folder import RunState, read_history
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, read_inputs
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.device_hours import current, seconds_since
from pipelines.execution.display.pace import Pace
from pipelines.execution.expected import pace_of
from pipelines.execution.holders import Holder, holder_of_run
from pipelines.planning.plan import Plan
from pipelines.planning.slots import slots

_LONGEST_S = 10 * 366 * 24 * 3600.0


@dataclass(frozen=True)
class Going:
    """A run that goes on; None where a fact is not known (yet).

    `seconds` have passed since its attempt began, and `seconds_left` is estimated: from complete runs of its kind, otherwise
    from its own epochs. `progress` is the part of its epochs (in pretraining, of its steps) that is done.
    """

    name: str
    run_id: str
    kind: str
    holder: Holder | None
    slot: str | None
    device: str | None
    devices: int
    since: datetime | None
    seconds: float | None
    progress: float
    seconds_left: float | None

    @property
    def until(self) -> datetime | None:
        """When it ends, by the estimate; None also if that is beyond what a calendar is needed for."""
        if self.seconds_left is None or self.seconds_left > _LONGEST_S:
            return None
        return datetime.now(UTC) + timedelta(seconds=self.seconds_left)


def going_on(plan: Plan, states: Mapping[str, RunState]) -> list[Going]:
    """The runs that go on, by the state of each run of the plan under its name (`Plan.label`)."""
    specs = [spec for spec in plan.specs if states[plan.label(spec)] == RunState.RUNNING]
    pace = pace_of(plan, specs, 1) if specs else Pace({})
    return [_going(plan, spec, pace) for spec in specs]


def seconds_left(plan: Plan, states: Mapping[str, RunState], running: Sequence[Going]) -> float | None:
    """Estimated seconds until all runs have ended, as many at once as now; None where no complete run tells.

    What a search or a tuning adds later is not included.
    """
    left = [spec for spec in plan.unfinished(plan.specs) if states[plan.label(spec)] != RunState.RUNNING]
    pace = pace_of(plan, left, len(running) or len(slots(plan.study.execution)))
    rest = [going.seconds_left for going in running]
    if (left and not pace.known) or None in rest:
        return None
    whole = [pace.expected(plan.label(spec)) for spec in left]
    known = [seconds for seconds in rest if seconds is not None]
    return max([(sum(known) + sum(whole)) / max(1, pace.slots), *known, *whole], default=0.0)


def _going(plan: Plan, spec: Spec, pace: Pace) -> Going:
    run_dir = plan.run_dir(spec)
    assert run_dir is not None  # what runs has an id
    attempt, inputs, before_s, progress = current(run_dir), JobInputs(data="", cache=""), 0.0, 0.0
    with suppress(UserError):  # it is being written at this moment
        inputs = read_inputs(run_dir)
    with suppress(UserError):
        progress = _progress(spec, read_history(run_dir))
        before_s = sum(earlier.seconds.get("total", 0.0) for earlier in read_attempts(run_dir))
    seconds = None if attempt is None else seconds_since(attempt)
    return Going(
        name=plan.label(spec),
        run_id=run_id(spec),
        kind="pretraining" if isinstance(spec, PretrainSpec) else "fine-tuning",
        holder=holder_of_run(run_dir),
        slot=inputs.slot or None,
        device=attempt.device_name or attempt.device if attempt else None,
        devices=attempt.devices if attempt else inputs.devices,
        since=datetime.fromisoformat(attempt.started) if attempt else None,
        seconds=seconds,
        progress=progress,
        seconds_left=_left(pace, plan.label(spec), before_s, seconds, _own(attempt, seconds, progress, spec)),
    )


def _progress(spec: Spec, history: list[dict[str, object]]) -> float:
    if not isinstance(spec, PretrainSpec):
        return len(history) / spec.finetune.epochs
    step = history[-1]["step"] if history else 0
    return step / spec.pretrain.steps if isinstance(step, int) else 0.0


def _own(attempt: Attempt | None, seconds: float | None, progress: float, spec: Spec) -> float | None:
    """Seconds left by the run's own epochs in this attempt; None before the first has ended."""
    if attempt is None or seconds is None:
        return None
    begun = 0.0 if isinstance(spec, PretrainSpec) else attempt.resumed_from_epoch / spec.finetune.epochs
    done = progress - begun
    return seconds * (1 - progress) / done if done > 0 else None


def _left(pace: Pace, name: str, before_s: float, seconds: float | None, own: float | None) -> float | None:
    """By runs of the same kind, otherwise by its `own` epochs, otherwise by runs of kinds that are less close."""
    if not pace.known or (own is not None and not pace.knows(name)):
        return own
    return max(0.0, pace.expected(name) - before_s - (seconds or 0.0))

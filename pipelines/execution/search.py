"""The search of a study: it proposes the values of a trial and runs it, until all trials have ended.

A proposal depends only on the declared search and on the scores of the earlier trials: a search that was stopped continues with
exactly the trials that it would have had.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import JsonValue

from m2pt.config import RangeConfig, SearchConfig, Study, UserError, value_words
from m2pt.runs.folder import RunState
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import Trial, Values
from pipelines.execution.session import Session
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import FINE_TUNING
from pipelines.planning.search_journal import JOURNAL, write_trials
from pipelines.planning.search_ranges import trial_specs

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

STARTUP = 5
"""How many trials TPE draws at random before it learns from them."""

DIGITS = 4
"""How many digits a proposed number keeps, so that it can be read and written again."""

Do = Callable[[str, Sequence[RunSpec]], object]
"""Does runs under a title; returns when all have ended, in whatever way."""


def run_trials(session: Session, do: Do) -> None:
    """Do the trials of a study that have not ended, one after another.

    Raises:
        UserError: a run could not be started.

    """
    search = _search(session.study)
    if not session.plan.trials and (runs_folder(session.study) / JOURNAL).is_file():
        session.display.say(f"{session.study.study}: the study file has changed; its search starts again.")
    for number in range(search.trials):
        if number == len(session.plan.trials):
            _propose(session, search)
        if session.plan.trials[number].state == "unfinished":
            _do_trial(session, search, number, do)


def _propose(session: Session, search: SearchConfig) -> None:
    """Add the next trial to the journal."""
    before = session.plan.trials
    trial = Trial(len(before), propose(search, session.study, before))
    try:
        trial_specs(session.study, [trial])
    except (UserError, ValueError) as error:
        trial = replace(trial, state="failed", refused=True, reason=" ".join(str(error).split()))
    write_trials(session.study, session.plan.prints, runs_folder(session.study), [*before, trial])
    session.look_again()
    session.tidy()  # an earlier search may have put its runs aside
    if trial.refused:
        session.display.say(f"{session.study.study}: trial {trial.number} ({in_words(trial.values)}) failed: {trial.reason}")


def _do_trial(session: Session, search: SearchConfig, number: int, do: Do) -> None:
    plan = session.plan
    trial, specs = plan.trials[number], plan.parts[plan.trials[number].name]
    if plan.unfinished(specs):
        do(f"{session.study.study}: trial {number} of {search.trials}, {in_words(trial.values)}", specs)
    ended = session.look_again().trials[number]
    if ended.state == "unfinished":
        trials = list(session.plan.trials)
        trials[number] = ended = replace(ended, state="failed", reason=_reason(session, specs))
        write_trials(session.study, session.plan.prints, runs_folder(session.study), trials)
        session.look_again()
    result = ended.reason if ended.score is None else f"mean validation score {ended.score:.2f}"
    session.display.say(f"{session.study.study}: trial {number} ({in_words(trial.values)}) {ended.state}: {result.rstrip('.')}.")


def _reason(session: Session, specs: Sequence[RunSpec]) -> str:
    """Why a trial failed. Raises `UserError` if none of its runs failed: then its values are not to blame."""
    plan = session.plan
    failed = [spec for spec in specs if plan.state(spec) == RunState.FAILED]
    if not failed:
        outcome = session.outcome(FINE_TUNING, specs)
        (name, why), *_ = outcome.unfinished.items()
        raise UserError(
            f"the search stops because {name} could not be run ({why.rstrip('.')}); start again and it continues from there."
        )
    more = f" ({len(failed)} of its {len(specs)} runs failed)" if len(failed) > 1 else ""
    return f"{plan.label(failed[0])}: {plan.failure(failed[0])}{more}"


def _search(study: Study) -> SearchConfig:
    if study.search is None:
        raise UserError(f"{study.study}: search: is missing, so there is nothing to search; declare ranges there.")
    return study.search


def in_words(values: Values) -> str:
    """The values of a trial in one line."""
    return ", ".join(f"{key} = {value_words(value)}" for key, value in values.items())


def propose(search: SearchConfig, study: Study, before: Sequence[Trial]) -> dict[str, JsonValue]:
    """The values of the next trial; the first trial has the declared values if they are within the ranges.

    Each trial gets a new sampler that has all earlier trials, with the failed ones as failed.
    """
    if not before and (declared := declared_values(search, study)) is not None:
        return declared
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = derived_seed(search.seed, "trial", len(before)) % 2**32
    spaces = {key: _distribution(values) for key, values in search.ranges.items()}
    known = optuna.create_study(direction="maximize", sampler=_sampler(search, seed))
    for trial in before:
        known.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.FAIL if trial.score is None else optuna.trial.TrialState.COMPLETE,
                value=trial.score,
                params={key: _parameter(values, trial.values[key]) for key, values in search.ranges.items()},
                distributions=spaces,
            )
        )
    asked = known.ask(spaces).params
    return {key: _value(values, asked[key]) for key, values in search.ranges.items()}


def _sampler(search: SearchConfig, seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    return RandomSampler(seed=seed) if search.sampler == "random" else TPESampler(n_startup_trials=STARTUP, seed=seed)


def declared_values(search: SearchConfig, study: Study) -> dict[str, JsonValue] | None:
    """The values that the study file has for the keys of its search; None if one is outside its range."""
    declared = {key: values.find(study.value_of(key)) for key, values in search.ranges.items()}
    return None if any(value is None for value in declared.values()) else declared


def _distribution(values: RangeConfig) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.choices is not None:
        return CategoricalDistribution(range(len(values.choices)))
    assert values.low is not None and values.high is not None
    if values.integer:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _parameter(values: RangeConfig, value: JsonValue) -> object:
    """A value in the sampler's form: a choice by its index."""
    return value if values.choices is None else values.choices.index(value)


def _value(values: RangeConfig, parameter: object) -> JsonValue:
    if isinstance(parameter, int):
        return parameter if values.choices is None else values.choices[parameter]
    assert isinstance(parameter, float) and values.low is not None and values.high is not None
    short = float(f"{parameter:.{DIGITS}g}")
    wide = values.high - values.low > 10 ** (2 - DIGITS) * max(abs(values.low), abs(values.high))
    return min(max(short, values.low), values.high) if wide else parameter

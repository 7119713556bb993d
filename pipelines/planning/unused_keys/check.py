"""Checks that every key set in a study file changes some run of the study, of a part or of a search.

A value about something that the study does not have (a method, a modality, a kind of encoder) is accepted where it is the
default: it claims nothing, and a study can be narrowed without editing all of its file. Where files are and how runs are executed
belongs to no run, so it is not checked in the file itself; but a part cannot change these either.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from pydantic import BaseModel, JsonValue

from m2pt.config import MODALITIES, RANDOM, FileSource, Frozen, Study, UserError
from m2pt.config.lines import Fault, told
from m2pt.runs.trials import with_encoders
from pipelines.planning.grid import data_used
from pipelines.planning.unused_keys.reasons import (
    THIS_STUDY,
    Reason,
    UnusedKey,
    reason_of,
    sentence,
    target_without_runs,
)
from pipelines.planning.unused_keys.used import STUDY_SECTIONS, UsedKeys, flat, used_by_encoders, used_by_runs

Changes = Mapping[str, JsonValue]
"""Values by dotted key that a part or a trial has in place of the file's."""

Variation = tuple[Changes, UsedKeys]

SWEEP_KEYS = (
    "auxiliaries", "target_encoder", "auxiliary_encoder", "no_modality_encoder", "encoder_seeds", "tune.scale_lr_multiples",
)  # fmt: skip


def refuse_unused_keys(study: Study, source: str) -> None:
    """Raise `UserError` if a key of a study, a part or a search changes no run; `source` names the file."""
    if sentences := unused_keys(study):
        raise UserError(told(source, [Fault(None, sentence) for sentence in sentences]))


def unused_keys(study: Study) -> list[str]:
    """A sentence on the keys of a study, a part or a search that change no run; one for those that do so for the same reason."""
    variations: list[Variation] = []
    in_parts: list[UnusedKey] = []
    for name, changes in [(part.name, part.changes) for part in study.parts] or [("", {})]:
        changed = study.changed(changes, f"parts.{name}.set") if name else study
        used = used_by_runs(changed)
        variations.append((changes, used))
        in_parts += _in_part(changed, name, changes, used)
    variations += [(values, used_by_runs(study.changed(values, "search.ranges"))) for values in _range_ends(study)]
    unused = [*_in_file(study, variations), *in_parts, *_in_search(study)]
    same = groupby(unused, key=lambda item: (item.reason.why, item.runs_of, bool(item.reason.instead)))
    return [sentence(list(items)) for _, items in same]


def _in_file(study: Study, variations: Sequence[Variation]) -> Iterator[UnusedKey]:
    """The keys outside parts and search that change no run: of no part that leaves them as they are, and of no encoder."""
    encoders = used_by_encoders(study)

    @functools.cache  # most keys are replaced by none, or by the same parts as others
    def by(places: tuple[int, ...]) -> UsedKeys:
        return _together(encoders, *(variations[place][1] for place in places))

    anywhere = by(tuple(range(len(variations))))
    for key, value, default in _values_set(study):
        unchanged = tuple(place for place, (changes, _) in enumerate(variations) if not _replaces(changes, key))
        used = by(unchanged)
        claims_nothing = value == default and not used.has_values_of(key)
        if used.changes_a_run(key) or claims_nothing or not anywhere.changes_a_run(_task_of(key)):
            continue
        reason = reason_of(study, key, used) if unchanged else Reason("every part has a value of its own")
        yield UnusedKey(key, THIS_STUDY, reason)
    if study.data.embedded is not None and not set(MODALITIES) & set(data_used(with_encoders(study))):
        yield UnusedKey("data.embedded", THIS_STUDY, Reason("it only reads the data of its tasks"))
    for key, why in (*_unused_encoders(study, anywhere), *_unused_tasks(study, anywhere)):
        yield UnusedKey(key, THIS_STUDY, Reason(why))
    for name in ("targets", "tunings"):
        kept = [used for changes, used in variations if f"sweep.{name}" not in changes]
        if kept:
            yield from _without_runs(study, name, _together(*kept), f"sweep.{name}", THIS_STUDY)


def _unused_encoders(study: Study, anywhere: UsedKeys) -> Iterator[tuple[str, str]]:
    """The keys of encoders that no run loads, each with the reason."""
    for name, source in study.encoders.items():
        key = f"encoders.{name}"
        if not anywhere.changes_a_run(key):
            yield key, "no run loads it (sweep.target_encoder, auxiliary_encoder and no_modality_encoder name what is loaded)"
        elif isinstance(source, FileSource):
            for modality in source.reading:
                if not anywhere.changes_a_run(f"{key}.reading.{modality}"):
                    yield f"{key}.reading.{modality}", f"no run loads {name} of that modality"


def _unused_tasks(study: Study, anywhere: UsedKeys) -> Iterator[tuple[str, str]]:
    """The keys of tasks that no run has as its target, or not with that tuning, each with the reason."""
    for name, task in study.tasks.items():
        key = f"tasks.{name}"
        if not anywhere.changes_a_run(key):
            yield key, "no run has this task as its target (sweep.targets)"
            continue
        for tuning in task.recipes:
            if not anywhere.changes_a_run(f"{key}.recipes.{tuning}"):
                yield f"{key}.recipes.{tuning}", f"{name} is not run with that tuning (sweep.tunings)"


def _in_part(changed: Study, name: str, changes: Changes, used: UsedKeys) -> Iterator[UnusedKey]:
    """The keys that a part sets and that change none of its runs."""
    part = f"the part {name}"
    for key, _ in flat(changes):
        written = f"parts.{name}.set.{key}"
        if not used.changes_a_run(key):
            yield UnusedKey(written, part, reason_of(changed, key, used, part))
        if key in ("sweep.targets", "sweep.tunings"):
            yield from _without_runs(changed, key.partition(".")[2], used, written, part)


def _without_runs(study: Study, name: str, used: UsedKeys, written: str, runs_of: str) -> Iterator[UnusedKey]:
    """The targets or tunings (`name`) that no run has."""
    for value in getattr(study.sweep, name):
        if not used.changes_a_run(f"sweep.{name}.{value}"):
            no_recipe = Reason("no target with runs has a recipe for it")
            yield UnusedKey(f"{written}: {value}", runs_of, target_without_runs(study, value) if name == "targets" else no_recipe)


def _in_search(study: Study) -> Iterator[UnusedKey]:
    """The ranges of a search that change no run of any trial."""
    if study.search is None:
        return
    fixed: dict[str, JsonValue] = {"sweep.seeds": [study.search.seeds[0]], "sweep.methods": [study.search.method]}
    trials = [study.changed({**values, **fixed}, "search.ranges") for values in [{}, *_range_ends(study)]]
    used = _together(*map(used_by_runs, trials))
    for key in study.search.ranges:
        if not used.changes_a_run(key):
            yield UnusedKey(f"search.ranges.{key}", "its trials", reason_of(trials[-1], key, used, "its trials"))


def _together(*each: UsedKeys) -> UsedKeys:
    """What several groups of runs do with the keys."""
    together = UsedKeys()
    for used in each:
        together.add(used)
    return together


def _range_ends(study: Study) -> list[dict[str, JsonValue]]:
    """The values at the ends of each range of a search, one at a time."""
    ranges = study.search.ranges if study.search else {}
    return [{key: value} for key, values in ranges.items() for value in values.ends]


def _replaces(changes: Changes, key: str) -> bool:
    """Whether a part sets a key, or a section around it."""
    return any(key == own or key.startswith(f"{own}.") for own in changes)


def _values_set(study: Study) -> Iterator[tuple[str, object, object]]:
    """The key, the value and the default of everything that the file sets and that runs may take over."""
    for name in STUDY_SECTIONS:
        yield from _set_in(getattr(study, name), name)
    for key, value, default in _set_in(study.sweep, "sweep"):
        if key.partition(".")[2] in SWEEP_KEYS:
            yield key, value, value if value in (RANDOM, ()) else default  # loading nothing claims nothing either
    for name, task in study.tasks.items():
        for section in ("finetune", "input"):
            yield from ((f"tasks.{name}.{section}.{key}", value, ...) for key, value in flat(getattr(task, section)))


def _set_in(section: BaseModel, path: str) -> Iterator[tuple[str, object, object]]:
    for name, description in type(section).model_fields.items():
        if name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        if isinstance(value, Frozen):
            yield from _set_in(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", value, description.default


def _task_of(key: str) -> str:
    """The task that a key belongs to; for any other key, one that is always read."""
    match key.split("."):
        case ["tasks", name, *_]:
            return f"tasks.{name}"
    return "sweep.seeds"

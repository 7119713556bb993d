"""Every key that a study file sets changes some run of the study, or it is refused by name.

A value that speaks of what the study does not have (a method, a modality, a kind of encoder) is let be where it is the default:
it claims nothing, and a study may be narrowed without cutting its file. Where files lie and how runs are executed is no setting
of a run; but a part cannot change these either.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from pydantic import BaseModel, JsonValue

from m2pt.config import MODALITIES, RANDOM, FileSource, Frozen, Study, UserError
from m2pt.runs.trials import with_encoders
from pipelines.planning.grid import data_used
from pipelines.planning.unused_keys.reach import SECTIONS, Reach, flat, reach, reach_of_encoders
from pipelines.planning.unused_keys.reasons import Fault, fault, no_run_on, sentence

Changes = Mapping[str, JsonValue]

SWEEP_KEYS = ("auxiliaries", "target_encoder", "auxiliary_encoder")


def refuse_unused_keys(study: Study, source: str) -> None:
    """Raise `UserError` where a key of a study, of one of its parts or of its search changes no run; `source` names the file."""
    variations: list[tuple[Changes, Reach]] = []
    faults: list[Fault] = []
    for name, changes in [(part.name, part.changes) for part in study.parts] or [("", {})]:
        changed = study.changed(changes, f"parts.{name}.set") if name else study
        found = reach(changed)
        variations.append((changes, found))
        faults += _of_part(changed, name, changes, found)
    variations += [(values, reach(study.changed(values, "search.ranges"))) for values in _choices(study)]
    faults = [*_of_file(study, variations), *faults, *_of_search(study)]
    if faults:
        grouped = [list(each) for _, each in groupby(faults, key=lambda found: (found.why, found.of, bool(found.instead)))]
        raise UserError(f"{source}: {'; '.join(sentence(each) for each in grouped)}.")


def _of_file(study: Study, variations: Sequence[tuple[Changes, Reach]]) -> Iterator[Fault]:
    """The keys outside of parts: each is read by a part that leaves it alone, or in the making of an encoder."""
    encoders = reach_of_encoders(study)
    anywhere = Reach()
    for found in (encoders, *(found for _, found in variations)):
        anywhere.add(found)
    for key, value, default in _declared(study):
        left = [found for changes, found in variations if not _sets(changes, key)]
        whole = Reach()
        for found in (encoders, *left):
            whole.add(found)
        if whole.has(key) or (value == default and not whole.knows(key)) or not anywhere.has(_task_of(key)):
            continue
        yield fault(study, key, whole) if left else Fault(key, "this study", "every part has a value of its own")
    if study.data.embedded is not None and not set(MODALITIES) & set(data_used(with_encoders(study))):
        yield Fault("data.embedded", "this study", "it reads the data of its tasks alone")
    yield from _encoders(study, anywhere)
    yield from _tasks(study, anywhere)
    for part_key in ("targets", "tunings"):
        left = [found for changes, found in variations if f"sweep.{part_key}" not in changes]
        yield from _without_runs(study, part_key, left, f"sweep.{part_key}", "this study") if left else ()


def _encoders(study: Study, anywhere: Reach) -> Iterator[Fault]:
    for name, source in study.encoders.items():
        if not anywhere.has(f"encoders.{name}"):
            why = "none loads it (sweep.target_encoder and sweep.auxiliary_encoder name what is loaded)"
            yield Fault(f"encoders.{name}", "this study", why)
        elif isinstance(source, FileSource):
            for modality in source.reading:
                if not anywhere.has(f"encoders.{name}.reading.{modality}"):
                    yield Fault(f"encoders.{name}.reading.{modality}", "this study", f"none loads {name} of that modality")


def _tasks(study: Study, anywhere: Reach) -> Iterator[Fault]:
    for name, task in study.tasks.items():
        if not anywhere.has(f"tasks.{name}"):
            yield Fault(f"tasks.{name}", "this study", "no target with runs is this task (sweep.targets)")
            continue
        for tuning in task.recipes:
            if not anywhere.has(f"tasks.{name}.recipes.{tuning}"):
                yield Fault(f"tasks.{name}.recipes.{tuning}", "this study", f"{name} is not tuned so (sweep.tunings)")


def _of_part(changed: Study, name: str, changes: Changes, found: Reach) -> Iterator[Fault]:
    """The keys that a part sets."""
    for key, _ in flat(changes):
        at = f"parts.{name}.set.{key}"
        if not found.has(key):
            yield fault(changed, key, found, at, f"the part {name}")
        if key in ("sweep.targets", "sweep.tunings"):
            yield from _without_runs(changed, key.partition(".")[2], [found], at, f"the part {name}")


def _without_runs(study: Study, name: str, found: Sequence[Reach], at: str, of: str) -> Iterator[Fault]:
    """The targets or tunings that no run has."""
    for value in getattr(study.sweep, name):
        if not any(each.has(f"sweep.{name}.{value}") for each in found):
            no_recipe = "no target with runs has a recipe for it"
            yield no_run_on(value, study, at, of) if name == "targets" else Fault(f"{at}: {value}", of, no_recipe)


def _of_search(study: Study) -> Iterator[Fault]:
    """The ranges of a search: each changes a run of some trial."""
    if study.search is None:
        return
    fixed: dict[str, JsonValue] = {"sweep.seeds": [study.search.seeds[0]], "sweep.methods": [study.search.method]}
    trials, found = study, Reach()
    for values in [{}, *_choices(study)]:
        trials = study.changed({**values, **fixed}, "search.ranges")
        found.add(reach(trials))
    for key in study.search.ranges:
        if not found.has(key):
            yield fault(trials, key, found, f"search.ranges.{key}", "its trials")


def _choices(study: Study) -> list[dict[str, JsonValue]]:
    """The values at the ends of each range of a search, one at a time."""
    ranges = study.search.ranges if study.search else {}
    return [{key: value} for key, values in ranges.items() for value in values.ends]


def _sets(changes: Changes, key: str) -> bool:
    """Whether a part has a value of its own at a key, or at a section around it."""
    return any(key == own or key.startswith(f"{own}.") for own in changes)


def _declared(study: Study) -> Iterator[tuple[str, object, object]]:
    """Every value that the file sets and runs may take over: its key, the value and the default."""
    for name in SECTIONS:
        yield from _set_in(getattr(study, name), name)
    for key, value, default in _set_in(study.sweep, "sweep"):
        if key.partition(".")[2] in SWEEP_KEYS:
            yield key, value, value if value in (RANDOM, ()) else default  # nothing loaded, nothing taken: no claim either
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
    """The task that a key belongs to; of any other, what is always there."""
    match key.split("."):
        case ["tasks", name, *_]:
            return f"tasks.{name}"
    return "sweep.seeds"

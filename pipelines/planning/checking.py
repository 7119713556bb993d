"""All that is wrong with a study file at a time: the file, its data and weights, and the runs that could not start."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from m2pt.config import GivenSource, Modality, RunSource, Study, TimmSource, UserError, refuses_unknown
from m2pt.config.base import FaultyKeysError
from m2pt.config.lines import MOST_FAULTS, Fault
from m2pt.config.study_file import StudyFile
from m2pt.data.fingerprints import CACHE
from m2pt.files.memory import known_sha256
from m2pt.runs.spec import RunSpec, Spec, WeightsRef
from m2pt.runs.trials import with_encoders
from m2pt.weights.given import path_of
from m2pt.weights.shards import weights_file, weights_sha256
from pipelines.planning.folders import data_folder
from pipelines.planning.grid import data_used, encoders_used
from pipelines.planning.plan import Plan, resolve
from pipelines.planning.refused_runs import all_refusals, one_of, refused_left, without_seed
from pipelines.planning.study_file import look, with_engine

_KEY = re.compile(r"([A-Za-z_][\w+.\[\]-]*): ")
"""The key at the beginning of a sentence."""


@dataclass(frozen=True)
class Checked:
    """A study file with its faults, sorted by their places.

    `plan` are its runs, if the file says which there are and they can be made; `refused` are the reasons why some cannot start
    (`pipelines.planning.refused_runs`).
    """

    file: str
    faults: tuple[Fault, ...]
    plan: Plan | None = None
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Looked:
    """What is wrong with one of the studies that a file may mean, beyond what keeps its runs from being made."""

    sentences: list[str]
    plan: Plan | None = None
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check(file: Path) -> Checked:
    """Look for all that is wrong with a study file. Nothing is made, trained or changed.

    Raises:
        UserError: there is no such engine as `M2PT_ENGINE` names.

    """
    try:
        read, wrong = look(file)
    except UserError as error:
        return Checked(str(file), (Fault(None, str(error).removeprefix(f"{file}: ")),))
    looked = [_looked(with_engine(study), bool(wrong)) for study in read.studies]
    more = read.common([each.sentences for each in looked]) if looked else []
    judged = {sentence.partition(": ")[0] for sentence in wrong}  # a key that changes no run needs no further judgement
    faults = _sorted(read, [*wrong, *(sentence for sentence in more if sentence.partition(": ")[0] not in judged)])
    if len(looked) != 1 or read.document.faults or read.faults or wrong:
        return Checked(str(file), faults)  # what its runs would cost is unknown
    return Checked(str(file), faults, looked[0].plan, looked[0].refused)


def key_of(fault: Fault) -> str | None:
    """The key that the sentence of a fault begins with; None if it begins with none."""
    key = _KEY.match(fault.sentence)
    return key.group(1) if key else None


def _sorted(read: StudyFile, more: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of a file by their places; what is about the file as a whole stands at its beginning."""
    placed = [Fault(fault.line or 1, fault.sentence, fault.column or 1) for fault in read.told(more)]
    return tuple(sorted(dict.fromkeys(placed), key=lambda fault: (fault.line, fault.column))[:MOST_FAULTS])


def _looked(study: Study, is_unmakeable: bool) -> _Looked:
    missing = list(_files(study))
    try:
        plan = resolve(study, to_look=True)
        refused = all_refusals(plan)
        damaged = [_of_folder(study, sentence) for sentence in plan.faults]
        return _Looked([*missing, *damaged, *_not_startable(plan, refused)], plan, refused)
    except (UserError, OSError) as error:
        said = _said(error)
        if is_unmakeable or any(sentence.endswith(said) for sentence in missing):
            return _Looked(missing)  # why no runs can be made is known
        raised = error.sentences if isinstance(error, FaultyKeysError) else (_of_weights(study, said) or said,)
        return _Looked([*missing, *raised])


def _files(study: Study) -> Iterator[str]:
    """Files of weights and data that are not there or cannot be read; embedded data are made when they are needed."""
    declared = with_encoders(study)
    try:
        encoders, data = encoders_used(declared), data_used(declared)
    except UserError:  # which encoders its runs load is unknown
        encoders, data = [], list(study.sweep.targets)
    for encoder in encoders:
        source = declared.encoders[encoder.source]
        if isinstance(source, GivenSource) and encoder.modality in source.places:
            if wrong := _wrong_with(source, encoder.modality):
                yield f"encoders.{encoder.source}.{source.key(encoder.modality)}: {wrong}"
    for key in data:
        folder = data_folder(study, key)
        if folder.is_dir() or (study.data.embedded is not None and key not in study.tasks):
            continue
        where = f"tasks.{key}.path" if key in study.tasks else "data.root"
        yield f"{where}: there is no folder {folder}; put the data there, or correct the path"


@refuses_unknown
def _wrong_with(source: GivenSource, modality: Modality) -> str | None:
    """Why a file of weights cannot be read, whatever model it is for."""
    try:
        path = path_of(source, modality)
        if not path.exists():
            return _absent(source, path)
        weights_sha256(weights_file(path), partial(known_sha256, cache=CACHE))
    except (UserError, OSError) as error:
        return _said(error)
    return None


def _absent(source: GivenSource, path: Path) -> str | None:
    if isinstance(source, TimmSource) and source.file is None:
        return None  # the study downloads it
    if isinstance(source, RunSource):
        return f"{path.parent} is no finished run; correct the folder, or finish the run"
    return f"{path} does not exist; fetch the weights, or correct the path"


def _said(error: UserError | OSError) -> str:
    said = f"{error.filename}: cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
    return said.rstrip(".")


def _not_startable(plan: Plan, reasons: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A sentence for each reason why runs that are left cannot start, with the key where the file says it."""
    left, refused = refused_left(plan, reasons)
    for reason, specs in refused.items():
        count = one_of(len(specs), left)
        sentence = _with_key(plan, reason, specs)
        yield f"{sentence.rstrip('.')} ({count} cannot start)" if _KEY.match(sentence) else f"{count} cannot start: {sentence}"


def _with_key(plan: Plan, reason: str, specs: Sequence[Spec]) -> str:
    """The reason with the key of the file that it is about: of the part, the task, the files of weights or the data."""
    spec = specs[0]
    if isinstance(spec, RunSpec) and (keyed := _of_weights(plan.study, reason, (spec.target_weights, *spec.auxiliary_refs))):
        return keyed
    task = spec.target if isinstance(spec, RunSpec) and spec.task is not None else None
    key = match.group(1) if (match := _KEY.match(reason)) else None
    if task is not None and (key is None or key == task):
        return f"tasks.{task}.path: {reason.removeprefix(f'{task}: ')}"
    if key is None or key in plan.study.sweep.targets:
        return f"data.root: {reason}"
    rest = reason.removeprefix(key)
    if task is not None:
        key = re.sub(r"^finetune\.", f"tasks.{task}.finetune.", re.sub(r"^inputs\.\w+\.", f"tasks.{task}.input.", key))
    return f"{_in_part(plan, key, specs)}{rest}"


def _of_folder(study: Study, sentence: str) -> str:
    """A sentence about damaged data, or about the journal of a search, with the key of either."""
    if sentence.startswith(f"{Path(study.data.root)}"):
        return f"data.root: {sentence}"
    return f"search: {sentence}" if study.search is not None else sentence


@refuses_unknown
def _known_path(source: GivenSource, modality: Modality) -> Path | None:
    try:
        return path_of(source, modality)
    except UserError:
        return None


def _of_weights(study: Study, reason: str, used: Sequence[WeightsRef | None] = ()) -> str | None:
    """A reason that begins with a file of weights, with the key of that file, one of those that are used; None for others."""
    declared = [
        (f"encoders.{name}.{source.key(modality)}", path)
        for name, source in study.encoders.items()
        if isinstance(source, GivenSource)
        for modality in source.places
        if (path := _known_path(source, modality)) is not None
        if not used or any(one is not None and (one.source, one.modality) == (name, modality) for one in used)
    ]
    named = [each for each in declared if reason.startswith(str(each[1]))]
    beside = [each for each in declared if reason.startswith(f"{each[1].parent}/")]  # a part of weights in several files
    return next((f"{key}: {reason}" for key, _ in (*named, *beside)), None)


def _in_part(plan: Plan, key: str, specs: Sequence[Spec]) -> str:
    """A key as the file writes it: in a part, if all parts with runs that cannot start set it."""
    refused = {without_seed(spec) for spec in specs}
    parts = [part for part in plan.study.parts if any(without_seed(spec) in refused for spec in plan.parts[part.name])]
    setting = [f"parts.{part.name}.set.{key}" for part in parts if any(f"{key}.".startswith(f"{own}.") for own in part.changes)]
    return setting[0] if parts and len(setting) == len(parts) else key

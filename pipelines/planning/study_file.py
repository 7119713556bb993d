"""Reads a study file for a command and refuses what its runs would ignore or could not load."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import m2pt
from m2pt.config import RANDOM, ExecutionConfig, GivenSource, ModelConfig, Study, UserError
from m2pt.config.base import FaultyKeysError
from m2pt.config.lines import Fault, told
from m2pt.config.study_file import StudyFile, read_study
from m2pt.data.fingerprints import CACHE
from m2pt.files.memory import remembered
from m2pt.files.state import FileState, state_of
from m2pt.modalities.embedded.sizes import split_sizes
from m2pt.modalities.recipes import resolve
from m2pt.modalities.registry import dataset
from m2pt.runs.plugins import installed_code
from pipelines.planning.grid import encoders_used, input_forms
from pipelines.planning.search_ranges import impossible_values
from pipelines.planning.slots import slots
from pipelines.planning.unused_keys.check import unused_keys
from pipelines.planning.weight_files import without_weights

_MANY_PARTS = 20
"""In as many, the looking for keys that change nothing is worth remembering."""

ENGINES = get_args(ExecutionConfig.model_fields["engine"].annotation)


def load(file: str | Path, engine: str | None = None) -> Study:
    """Read a study file, with this `execution.engine` or that of `M2PT_ENGINE` if one is given.

    Raises:
        UserError: as `m2pt.config.study_file.load_study`; or a key changes no run; or a method needs an encoder that is not
            declared; or a target cannot start from its encoder, or has no validation data by which its rates could be chosen; or
            the range of a search reaches values that make no run or one that cannot start. All of them are told with their lines.
            Or there is no such engine.

    """
    read, wrong = look(file)
    return with_engine(read.require(*wrong), engine)


def look(file: str | Path) -> tuple[StudyFile, list[str]]:
    """A study file with its faults, and what else keeps the runs of its study from being made.

    Raises:
        UserError: the file cannot be read at all.

    """
    read, missized = _sized(read_study(file))
    said = json.dumps(read.document.value) if len(read.studies) == 1 and not read.document.faults else None
    return read, [*missized, *(read.common([faults(study, said) for study in read.studies]) if read.studies else [])]


def _sized(read: StudyFile) -> tuple[StudyFile, list[str]]:
    """A study file with the sizes that its models have from weights, and why one of them has none.

    Without it, nothing is said of the model and of the encoders, whose sizes it decides.
    """
    mapped = (study.pathway.mapping for study in read.studies)
    models = [*(study.model for study in read.studies), *(mapping.model for mapping in mapped if mapping is not None)]
    if all(model.from_ is None for model in models):
        return read, []
    from m2pt.weights.sizes import sized  # with torch, which a plan does without

    try:
        return replace(read, studies=tuple(map(sized, read.studies))), []
    except UserError as error:
        any_size = tuple(
            study.model_copy(update={"model": ModelConfig(), "pathway": study.pathway.model_copy(update={"mapping": None})})
            for study in read.studies
        )
        unsure = (*read.unsure, "model", "encoders", "pathway")
        return replace(read, studies=any_size, unsure=unsure), [str(error).removesuffix(".")]


def with_engine(study: Study, engine: str | None = None) -> Study:
    """The study with this `execution.engine`, or that of `M2PT_ENGINE`, if one is given. Raises `UserError` if there is none."""
    given, key = (engine, "engine") if engine else (os.environ.get("M2PT_ENGINE"), "M2PT_ENGINE")
    if given and given not in ENGINES:
        raise UserError(f"{key}: there is no engine {given!r}; use one of {', '.join(ENGINES)}.")
    return study.model_copy(update={"execution": study.execution.model_copy(update={"engine": given})}) if given else study


def check(study: Study, source: str) -> None:
    """Raise `UserError` as `load`; `source` names the file, whose lines are not known."""
    if wrong := faults(study):
        raise UserError(told(source, [Fault(None, fault) for fault in wrong]))


def faults(study: Study, said: str | None = None) -> list[str]:
    """What keeps the runs of a study from being made, each in a sentence that begins with a key of its file.

    `said` is all that the file says, if that is known.
    """
    parts = study.expanded().items()
    wrong = [*_sizes(study), *_sentences(partial(slots, study.execution) if isinstance(study.execution.devices, tuple) else list)]
    wrong += [_of_part(name, fault) for name, part in parts for fault in _recipes(part)]
    if wrong:
        return _once(wrong)  # without its recipes, a study has no runs that could be looked at
    for name, part in parts:
        wrong += [_of_part(name, fault) for fault in _encoders(part)]
        wrong += [*_loadable(part), *_validation(part)]
    if wrong:
        return _once(wrong)
    return _ineffective(study) if said is None or len(study.parts) < _MANY_PARTS else _known_ineffective(study, said)


def _ineffective(study: Study) -> list[str]:
    """Keys that change no run, and ranges that reach what makes none."""
    unused = unused_keys(study)
    ignored = {fault.partition(":")[0] for fault in unused}  # their values need no further judgement
    return [*unused, *(fault for fault in impossible_values(study) if fault.partition(":")[0] not in ignored)]


def _known_ineffective(study: Study, said: str) -> list[str]:
    """The same of a study of many parts, remembered: it follows from what the file says, our source code and plugins."""
    plugins = "".join(f" {code.package} {code.sha256}" for code in installed_code())
    memory = CACHE / "keys" / f"{study.study}.json"
    known = remembered(memory, _sources(), lambda: "\n".join(_ineffective(study)), beside=said + plugins)
    return known.splitlines()


def _sources() -> dict[str, FileState]:
    packages = [Path(m2pt.__file__).parent, Path(__file__).parents[1]]
    files = [f"{folder}/{name}" for package in packages for folder, _, names in os.walk(package) for name in names]
    return {file: state_of(os.stat(file)) for file in sorted(files) if file.endswith(".py")}  # noqa: PTH116  # hundreds


def _once(wrong: list[str]) -> list[str]:
    return list(dict.fromkeys(fault.rstrip(".") for fault in wrong))


def _of_part(name: str, fault: str) -> str:
    """A fault of a part, which names it."""
    return f"parts.{name}: {fault}" if name else fault


def _sentences(check: Callable[[], object]) -> list[str]:
    """The faults that a check raises; none if it raises nothing."""
    try:
        check()
    except FaultyKeysError as error:
        return list(error.sentences)
    except UserError as error:
        return [str(error)]
    return []


def _sizes(study: Study) -> list[str]:
    """Splits of the embedded data that are too small."""
    return [] if study.data.embedded is None else _sentences(partial(split_sizes, study.data.embedded))


def _recipes(study: Study) -> list[str]:
    """Recipes that do not exist, and values that they cannot have."""
    wrong = []
    for name, task in study.tasks.items():
        for tuning in task.recipes:
            wrong += _sentences(partial(resolve, name, task, tuning))
    return wrong


def _encoders(study: Study) -> list[str]:
    """Methods whose auxiliaries the study does not declare, and encoders without the file that is to be loaded."""
    if wrong := _sentences(partial(encoders_used, study)):
        return wrong
    used = [(encoder, study.encoders[encoder.source]) for encoder in encoders_used(study)]
    return [
        f"encoders.{encoder.source}.{source.key(encoder.modality)}: {without_weights(source, encoder.modality)}"
        for encoder, source in used
        if isinstance(source, GivenSource) and encoder.modality not in source.places
    ]


def _validation(study: Study) -> Iterator[str]:
    """Targets without validation data, whose rates cannot be tuned."""
    tasks = [name for name in study.sweep.targets if name in study.tasks] if study.sweep.tune is not None else []
    for name in tasks:
        task = study.tasks[name]
        if task.own_files is None and dataset(task.dataset).never_validates and task.holdout == 0:
            yield (
                f"sweep.tune: the task {name} has no validation data to choose rates by; hold out part of its training data "
                f"(tasks.{name}.holdout)"
            )


def _loadable(study: Study) -> Iterator[str]:
    """Targets of a published form that start from an encoder trained here: those have the shared tokenizer."""
    name = study.sweep.target_encoder
    if name == RANDOM or "pretrained" not in study.sweep.settings or isinstance(study.encoders[name], GivenSource):
        return
    for target in study.sweep.targets:
        key = f"tasks.{target}" if target in study.tasks else f"inputs.{target}.form"
        if any(form.form == "published" for form in input_forms(study, target)):
            yield (
                f"{key}: the tokenizer is of the published form, but sweep.target_encoder ({name}) is trained here in the shared "
                "form; set sweep.target_encoder to an encoder of kind file, or start from scratch (sweep.settings)"
            )

"""Reads a study file for a command and refuses what its runs would ignore or could not load."""

from pathlib import Path

from m2pt.config import RANDOM, FileSource, Study, UserError
from m2pt.config.study_file import load_study
from m2pt.modalities.registry import dataset
from pipelines.planning import search_ranges
from pipelines.planning.grid import encoders_used, input_forms
from pipelines.planning.unused_keys.check import refuse_unused_keys


def load(file: str | Path) -> Study:
    """Read a study file.

    Raises:
        UserError: as `m2pt.config.study_file.load_study`; or a key changes no run; or a method needs an encoder that is not
            declared; or a target cannot start from its encoder, or has no validation data by which its rates could be chosen; or
            the range of a search reaches values that make no run or one that cannot start.

    """
    study = load_study(file)
    check(study, str(file))
    return study


def check(study: Study, source: str) -> None:
    """Raise `UserError` as `load`; `source` names the file."""
    for name, part in study.expanded().items():
        _require_encoders(part, f"{source}: parts.{name}" if name else source)
        _require_loadable(part, source)
        _require_validation(part, source)
    refuse_unused_keys(study, source)
    search_ranges.check(study, source)


def _require_encoders(study: Study, source: str) -> None:
    """Refuse methods whose auxiliaries the study does not declare; `source` names the file, and the part."""
    try:
        encoders_used(study)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error


def _require_validation(study: Study, source: str) -> None:
    """Refuse to tune the rates of a target whose data set has no validation data."""
    tasks = [name for name in study.sweep.targets if name in study.tasks] if study.sweep.tune is not None else []
    for name in tasks:
        task = study.tasks[name]
        if dataset(task.dataset).never_validates and task.holdout == 0:
            raise UserError(
                f"{source}: sweep.tune: the task {name} has no validation data to choose rates by; hold out part of its training "
                f"data (tasks.{name}.holdout)."
            )


def _require_loadable(study: Study, source: str) -> None:
    """Refuse a target of a published form that starts from an encoder trained here: those have the shared tokenizer."""
    name = study.sweep.target_encoder
    if name == RANDOM or "pretrained" not in study.sweep.settings or isinstance(study.encoders[name], FileSource):
        return
    for target in study.sweep.targets:
        key = f"tasks.{target}" if target in study.tasks else f"inputs.{target}.form"
        if any(form.form == "published" for form in input_forms(study, target)):
            raise UserError(
                f"{source}: {key}: the tokenizer is of the published form, but sweep.target_encoder ({name}) is trained here in "
                "the shared form; set sweep.target_encoder to an encoder of kind file, or start from scratch (sweep.settings)."
            )

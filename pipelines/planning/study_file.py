"""Reads a study file for a command and refuses what its runs would ignore or could not load."""

from pathlib import Path

from m2pt.config import RANDOM, FileSource, Study, UserError
from m2pt.config.study_file import load_study
from pipelines.planning.grid import input_forms
from pipelines.planning.unused_keys.check import refuse_unused_keys


def load(file: str | Path) -> Study:
    """Read a study file.

    Raises:
        UserError: as `m2pt.config.study_file.load_study`; or a key changes no run; or a target cannot start from its encoder.

    """
    study = load_study(file)
    check(study, str(file))
    return study


def check(study: Study, source: str) -> None:
    """Raise `UserError` where a key changes no run or a target cannot start from its encoder; `source` names the file."""
    for part in study.expanded().values():
        _require_loadable(part, source)
    refuse_unused_keys(study, source)


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

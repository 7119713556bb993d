"""What DVC asks of the default study beyond what every study file has to be."""

import json
from collections.abc import Mapping
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.plain_yaml import examine

PIPELINE = Path("dvc.yaml")
"""The stages that DVC reproduces."""


def require_reproducible(study: Study, file: Path) -> None:
    """Check that DVC can reproduce the default study, which is in `file`.

    Raises:
        UserError: the study has a search, or the file leaves out a key that a stage names: DVC knows no defaults.

    """
    if study.search is not None:
        raise UserError(f"{file}: search: the default study runs stage by stage and has no search; declare it in another file.")
    if not PIPELINE.is_file():
        return
    pipeline = examine(PIPELINE.read_text(encoding="utf-8")).value  # what is wrong with it, DVC says
    stages = pipeline["stages"].values() if isinstance(pipeline, dict) and isinstance(pipeline.get("stages"), dict) else ()
    followed = dict.fromkeys(key for stage in stages for key in stage.get("params", ()) if isinstance(key, str))
    written = examine(file.read_text(encoding="utf-8")).value
    missing = [f"{key}: {_as_written(study, key)}" for key in followed if not _has(written, key)]
    if missing:
        raise UserError(f"{file}: DVC compares keys as they are written, but some are left out; add {'; '.join(missing)}.")


def _as_written(study: Study, key: str) -> str:
    value = study.value_of(key)
    return "{}" if isinstance(value, dict) else json.dumps(value).replace('"', "")


def _has(document: object, key: str) -> bool:
    for step in key.split("."):
        if not isinstance(document, Mapping) or step not in document:
            return False
        document = document[step]
    return True

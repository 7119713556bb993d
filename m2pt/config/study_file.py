"""Reads a study file, strictly: YAML into the schema of `m2pt.config`.

All errors of a file are one sentence that names the file and every faulty key.
"""

import json
from pathlib import Path

from pydantic import ValidationError

from m2pt.config import Study, UserError
from m2pt.config.faults import faults_of
from m2pt.config.plain_yaml import read_yaml


def load_study(path: str | Path) -> Study:
    """Read a params file.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or has a value that is impossible or of the wrong
            type; the sentence names the file and every faulty key.

    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a study file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file in UTF-8; a study file is YAML.") from error
    return parse_study(text, str(path))


def parse_study(text: str, source: str) -> Study:
    """Read a study from YAML text; `source` names it in errors. Raises as `load_study`."""
    raw = read_yaml(text, source)
    if not isinstance(raw, dict):
        raise UserError(f"{source}: a study file is a mapping of sections, but this one is {_kind(raw)}.")
    try:
        return Study.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise UserError(f"{source}: {'; '.join(faults_of(error))}.") from error


def _kind(value: object) -> str:
    names = {type(None): "empty", str: "a string", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)

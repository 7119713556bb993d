"""Reading a study file: YAML into the schema of `m2pt.config`, strictly.

A fault is reported in one sentence that names the file and every faulty key.
"""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from m2pt.config import Study, UserError


class _StudyLoader(yaml.SafeLoader):
    """YAML 1.2 floats (`1e-3` is a number, as in DVC's reader) and no repeated keys."""


_StudyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def _mapping_without_repeats(loader: _StudyLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StudyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


def load_study(path: str | Path) -> Study:
    """Read a params file.

    Raises:
        UserError: the file is missing or no YAML, or a key is unknown, missing, of the wrong type or impossible; the sentence
            names the file and every faulty key.

    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a study file with --study.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file in UTF-8; a study file is YAML.") from error
    return parse_study(text, str(path))


def parse_study(text: str, source: str) -> Study:
    """Read a study from YAML text; `source` names it in errors. Raises as `load_study`."""
    try:
        raw = yaml.load(text, Loader=_StudyLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{source}: {_yaml_problem(error)}.") from error
    if not isinstance(raw, dict):
        raise UserError(f"{source}: a study file is a mapping of sections, this one is {_kind(raw)}.")
    try:
        return Study.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        faults = "; ".join(_sentence(fault) for fault in error.errors())
        raise UserError(f"{source}: {faults}.") from error


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _kind(value: object) -> str:
    names = {type(None): "empty", str: "a text", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _sentence(fault: Any) -> str:
    """One validation fault as `key: what is wrong`."""
    # pydantic puts the tag of a union member into the location; it is no key of the file.
    steps = [str(step) for step in fault["loc"]]
    if steps[:1] == ["encoders"] and len(steps) > 2 and steps[2] in ("mae", "labels", "file"):
        del steps[2]
    steps = [step for step in steps if not step.startswith(("literal[", "tuple[", "function-", "constrained-", "int"))]
    key = ".".join(steps)
    match fault["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; remove it or correct its spelling"
        case "missing":
            return f"{key}: is missing"
        case "value_error":
            message = str(fault["ctx"]["error"])
            return f"{key}: {message}" if key else message
        case _:
            message = str(fault["msg"])
            return f"{key}: {message[0].lower()}{message[1:]} (got {json.dumps(fault['input'], default=str)})"

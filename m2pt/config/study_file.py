"""Reads a study file, strictly: YAML into the schema of `m2pt.config`.

All faults of a file are told at once, each in one sentence with its line and its key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m2pt.config import Study, UserError
from m2pt.config.correction import corrected
from m2pt.config.faults import faults_of
from m2pt.config.lines import Fault, located, told
from m2pt.config.plain_yaml import Document, read_document

_CROSSING = ("parts", "search")
"""Sections that are checked together with the values of all others."""


@dataclass(frozen=True)
class StudyFile:
    """A study file as it was read: `study` is what it declares, or seems to mean, None if that is unknown; with its faults."""

    source: str
    document: Document
    study: Study | None
    faults: tuple[str, ...] = ()

    def require(self, *more: str) -> Study:
        """The study.

        Raises:
            UserError: the file has faults, or there are `more`; each is told with its line.

        """
        if self.study is None or self.faults or more:
            lines = [self.at_line(fault) for fault in (*self.faults, *more)]
            raise UserError(told(self.source, lines))
        return self.study

    def at_line(self, fault: str) -> Fault:
        """A sentence that begins with a key of the file, with the line of that key."""
        return located(fault.rstrip("."), self.document.value, self.document.lines)


def load_study(path: str | Path) -> Study:
    """Read a params file.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or has a value that is impossible or of the wrong
            type; each fault is one sentence with the file, the line and the key.

    """
    return read_study(path).require()


def read_study(path: str | Path) -> StudyFile:
    """Read a params file with its faults. Raises `UserError` if it is missing, not YAML, or no mapping."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a study file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file in UTF-8; a study file is YAML.") from error
    return _read(text, str(path))


def parse_study(text: str, source: str) -> Study:
    """Read a study from YAML text; `source` names it in errors. Raises as `load_study`."""
    return _read(text, source).require()


def _read(text: str, source: str) -> StudyFile:
    document = read_document(text, source)
    raw = document.value
    if not isinstance(raw, dict):
        raise UserError(f"{source}: a study file is a mapping of sections, but this one is {_kind(raw)}.")
    try:
        return StudyFile(source, document, _validated(raw))
    except ValidationError as error:
        return _with_faults(source, document, raw, error)


def _validated(raw: Mapping[str, Any]) -> Study:
    return Study.model_validate_json(json.dumps(raw))


def _with_faults(source: str, document: Document, raw: Mapping[str, Any], error: ValidationError) -> StudyFile:
    """The faults of a file, and those that only show when the first ones are corrected."""
    faults, guessed = dict.fromkeys(faults_of(error, Study)), frozenset[str]()
    while (better := corrected(raw, error, Study)).document != raw:
        raw, guessed = better.document, guessed | better.guessed
        try:
            study = _validated(raw)
        except ValidationError as further:
            error = further
            faults |= dict.fromkeys(fault for fault in faults_of(error, Study) if _is_sure(fault, guessed))
        else:
            return StudyFile(source, document, None if guessed else study, tuple(faults))
    return StudyFile(source, document, None, tuple(faults))


def _is_sure(fault: str, guessed: frozenset[str]) -> bool:
    """Whether a fault of the corrected file is one of the file: it must not be about what was guessed."""
    section = fault.partition(":")[0].partition(".")[0].partition("[")[0]
    names_and_grid = {"sweep", "encoders", "tasks", "parts", "search", "design", "study"}
    if not guessed:
        return True
    if section in guessed or section in _CROSSING:
        return False
    return section not in names_and_grid or not guessed & names_and_grid


def _kind(value: object) -> str:
    names = {type(None): "empty", str: "a string", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)

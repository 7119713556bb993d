"""Reads a study file, strictly: YAML into the schema of `m2pt.config`.

All faults of a file are told at once, each in one sentence with its line and its key. Where a value is faulty, others are tried
in its place, and what else is wrong with the file is told if it is wrong with each of them.
"""

import copy
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m2pt.config import Study, UserError
from m2pt.config.base import REPEATED, UNCHECKED
from m2pt.config.correction import Guess, corrected, value_at
from m2pt.config.examples import TURNS
from m2pt.config.faults import faults_of
from m2pt.config.installed import missing_plugins, require_plugins
from m2pt.config.lines import MOST_FAULTS, Fault, located, path_of, told
from m2pt.config.plain_yaml import Document, examine
from m2pt.config.together import within

_GRID = ("study", "encoders", "tasks", "sweep", "parts", "search", "design")
"""Sections that say which runs there are, and that are checked together with those of all others."""

_REPEATED = re.compile(r"parts\.[^:]*\.set: |search\.ranges: ")
"""Before the fault of a variation of the file that may be one of the file itself."""


@dataclass(frozen=True)
class _Meaning:
    """What a file may mean: a study whose values are possible one by one; None if there is none.

    Beside the faults of single values, there are those of values together: `inner` within a section, `crossing` of several.
    """

    study: Study | None
    faults: tuple[str, ...]
    inner: tuple[str, ...] = ()
    crossing: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    renamed: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)
    once: Study | None = None
    """The study without what its lists repeat; it says which runs are meant, if it has no faults of values together."""


@dataclass(frozen=True)
class StudyFile:
    """A study file as it was read: its faults, and the studies that it may mean, one if it has no fault.

    None of them is known if it is unclear which runs the file declares. What is wrong with all of them is wrong with the file,
    unless it is about a value that was guessed, below one of the keys of `unsure`.
    """

    source: str
    document: Document
    studies: tuple[Study, ...]
    faults: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    renamed: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)
    """The names that misspelt keys have in the file, by their paths as they were meant."""

    def require(self, *more: str) -> Study:
        """The study.

        Raises:
            UserError: the file has faults, or there are `more`; each is told with its line.

        """
        faults = self.told(more)
        if faults or not self.studies:
            raise UserError(told(self.source, faults))
        return self.studies[0]

    def told(self, more: Iterable[str] = ()) -> list[Fault]:
        """All of its faults, and `more` of them, each with its place."""
        return [*self.document.faults, *map(self.placed, (*self.faults, *more))]

    def common(self, faults: Iterable[Sequence[str]]) -> list[str]:
        """What is wrong with all of the studies, of what is wrong with each."""
        return _common(faults, self.unsure)

    def placed(self, fault: str) -> Fault:
        """A sentence that begins with a key of the file, with the place of that key."""
        as_written = fault.rstrip(".")
        for path, name in self.renamed.items():
            if _is_about(as_written, [_dotted(path)]):
                as_written = f"{_dotted((*path[:-1], name))}{as_written.removeprefix(_dotted(path))}"
        return replace(located(as_written, self.document.value, self.document.places), sentence=fault.rstrip("."))


def load_study(path: str | Path) -> Study:
    """Read a params file.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or has a value that is impossible or of the wrong
            type; each fault is one sentence with the file, the line and the key. Or a plugin is installed that cannot be used.

    """
    return read_study(path).require()


def read_study(path: str | Path) -> StudyFile:
    """Read a params file with its faults. Raises `UserError` if it cannot be read at all, or is no text."""
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
    require_plugins()
    document = examine(text)
    raw = document.value
    if not isinstance(raw, dict):
        no_study = f"a study file is a mapping of sections, but this one is {_kind(raw)}"
        return StudyFile(source, document, (), () if document.faults else (no_study,))
    if missing := (*missing_plugins(raw.get("plugins")),):
        return StudyFile(source, document, (), missing)  # other faults may follow from that
    if not document.unread:
        try:
            return StudyFile(source, document, (Study.model_validate_json(json.dumps(raw)),))
        except ValidationError:
            pass  # its faults, and those that hide behind them, are looked for below
    return _with_faults(source, document, raw)


def _with_faults(source: str, document: Document, raw: dict[str, Any]) -> StudyFile:
    first = _meaning(raw, 0)
    unsettled = bool(first.guesses or document.unread) and len(first.faults) < MOST_FAULTS  # more are not told
    turns = TURNS if unsettled else 1
    meanings = [first, *(_meaning(raw, turn) for turn in range(1, turns))]
    unread = [_dotted(path) for path in document.unread]
    unsure = (*unread, *(guess.key if guess.is_tried else str(guess.path[0]) for guess in first.guesses))
    values = _common([each.faults for each in meanings], unread)
    together = _common([_told_of(each, document) for each in meanings], unsure)
    studies = tuple(each.once for each in meanings if each.once is not None and _says_which_runs(each, document))
    if any(len(path) == 1 for path in document.unread):  # a section that is lacking may be in the lines that could not be read
        values = [fault for fault in values if not re.fullmatch(r"\w+: is missing", fault)]
    faults = tuple(dict.fromkeys([*values, *together]))
    return StudyFile(source, document, studies if len(studies) == len(meanings) else (), faults, unsure, first.renamed)


def _meaning(raw: dict[str, Any], turn: int) -> _Meaning:
    """What a document may mean, with the examples of this turn in place of its faulty values."""
    document, faults, guesses = raw, dict[str, None](), dict[Guess, None]()
    renamed, around = dict[tuple[str | int, ...], str](), set[str]()
    while True:
        try:
            study = Study.model_validate_json(json.dumps(document), context=UNCHECKED)
        except ValidationError as error:
            known = [guess.key for guess in guesses]
            faults |= dict.fromkeys(fault for fault in faults_of(error, Study) if not _is_about(fault, known))
            better = corrected(document, error, Study, turn)
            guesses |= dict.fromkeys(better.guesses)
            renamed |= better.renamed
            around |= {_dotted(path[:end]) for path in better.respelt for end in range(1, len(path))}
            if better.document == document or len(faults) >= MOST_FAULTS:
                return _Meaning(None, tuple(faults), guesses=tuple(guesses))
            document = better.document
        else:
            # Whether a value that was respelt is one too many where it stands is not known before its author has seen it.
            each = [(*within(study),), (*study.contradictions(None),)]
            inner, crossing = (tuple(fault for fault in faulty if fault.partition(":")[0] not in around) for faulty in each)
            once = _without_repeats(document, each[0])
            return _Meaning(study, tuple(faults), inner, crossing, tuple(guesses), renamed, once)


def _without_repeats(document: dict[str, Any], faults: Iterable[str]) -> Study | None:
    """The study of a document whose lists name each value once; None if values do not go together even then."""
    once = copy.deepcopy(document)
    for fault in faults:
        value = value_at(once, path_of(fault, once)) if REPEATED in fault else None
        if isinstance(value, list):
            value[:] = dict.fromkeys(value)
    try:
        return Study.model_validate_json(json.dumps(once))
    except ValidationError:
        return None


def _told_of(meaning: _Meaning, document: Document) -> list[str]:
    """What is wrong with the values of a study together, as far as it does not depend on what is unknown."""
    guessed = any(guess.path[0] in _GRID and not guess.is_tried for guess in meaning.guesses)
    if guessed or any(path[0] in ("parts", "search") for path in document.unread):
        return list(meaning.inner)
    known = {*meaning.inner, *meaning.crossing}
    return [*meaning.inner, *(each for each in meaning.crossing if _REPEATED.sub("", each, count=1) not in known - {each})]


def _says_which_runs(meaning: _Meaning, document: Document) -> bool:
    """Whether the runs of the file are those of this study, so that they can be looked at."""
    unknown = [*(guess.path for guess in meaning.guesses), *document.unread]
    return meaning.once is not None and not any(path[0] in _GRID for path in unknown)


def _common(faults: Iterable[Sequence[str]], unsure: Collection[str]) -> list[str]:
    """What is in all lists of faults, unless it is about one of the keys or about something below one.

    That a list repeats a value hangs on nothing outside of it.
    """
    first, *others = faults
    common = [fault for fault in first if all(fault in other for other in others)]
    return [fault for fault in common if REPEATED in fault or not _is_about(fault, unsure)]


def _is_about(fault: str, keys: Collection[str]) -> bool:
    return any(fault.startswith((f"{key}:", f"{key}.", f"{key}[")) for key in keys)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _kind(value: object) -> str:
    names = {type(None): "empty", str: "a string", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)

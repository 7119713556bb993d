"""What keeps a file from being YAML at all, in words of its author; each section that begins in the first column is judged apart.

A reader of YAML stops at its first error. An error in one section says nothing about the others, so each of those is read too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from m2pt.config.lines import Fault, place_in

ERRORS = (YAMLError, yaml.YAMLError)
"""What the two readers raise."""

_SECTION = re.compile(r"""^(?P<key>[A-Za-z_][^\s:'"#]*) *:(?=\s|$)""")
"""The first line of a section of the file."""

DEEPEST = 50
"""Brackets inside one another. The readers' time grows with the square of this number, and some thousands end them."""

_COLUMNS = "begin the keys of a section in one column, and put a text with colons, quotes or brackets in quotes as a whole"

_WORDS = (
    (r"character '\\t'", "a tab stands where only spaces may; use spaces"),
    (r"character (?P<what>.+) that cannot start", "no value begins with {what}; put it in quotes"),
    (r"could not find expected ':'", "a line has no colon after its key; write KEY: VALUE"),
    (r"sequence entries are not allowed", "no list begins here; begin each entry (- VALUE) on a line of its own below the key"),
    (r"mapping keys are not allowed", "no key begins with a question mark; write KEY: VALUE"),
    (r"mapping values are not allowed", f"a colon too many, or a line in a wrong column; {_COLUMNS}"),
    (r"unexpected (end of stream|document separator)", "the quotation mark that opens here is never closed; close it"),
    (r"escape", "a backslash in double quotes begins a special character; use single quotes for a plain backslash"),
    (r"expected ',' or '\]'", "the list that [ opens here is not closed, or a comma is missing in it; close it with ]"),
    (r"expected ',' or '\}'", "the section that {{ opens here is not closed, or a comma is missing in it; close it with }}"),
    (r"expected <block end>|<document start>", f"this does not go with the lines before it; {_COLUMNS}"),
    (r"node content, but found '<stream end>'", "a bracket is opened and never closed; close it"),
    (r"expected the node content", "a value is missing before this, or a bracket or a comma is too many"),
    (r"undefined alias '?(?P<what>[^']+)'?", "no anchor &{what} comes before *{what}; write the value out, or in quotes"),
    (r"(anchor|alias)", "& and * begin names of values that are used twice; put a text that begins so in quotes"),
    (r"block scalar|indentation indicator|follow up line", "| and > begin a text of several lines; put other values in quotes"),
    (r"tag|URI", "! begins the name of a type; put a text that begins so in quotes"),
    (r"directive|YAML document", "a line that begins with % changes what the file means; remove it"),
)  # fmt: skip
"""What the readers say, as a pattern, and the sentence for it."""

_OPENED = ("or ']'", "or '}'", "end of stream", "document separator", "expected ':'")
"""Errors whose place is where something was opened, not where the reader stopped."""


@dataclass(frozen=True)
class Section:
    """A part of a file: its lines from a key in the first column to the next. `line` is the first, counted from 0."""

    key: str
    line: int
    lines: tuple[str, ...]

    @property
    def error(self) -> Fault | None:
        """What keeps it from being YAML by itself."""
        return error_of("\n" * self.line + "\n".join(self.lines))


def error_of(text: str) -> Fault | None:
    """What keeps a text from being YAML: the first error of either reader; None if there is none."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
        for _ in YAML(typ="safe", pure=True).parse(text):
            pass
    except ERRORS as error:
        return fault_of(error)
    return None


def too_deep(text: str) -> Fault | None:
    """Where brackets are nested too deeply to be read; None if they are not."""
    depth = 0
    for bracket in re.finditer(r"[][{}]", text):
        depth = max(0, depth + (1 if bracket.group() in "[{" else -1))
        if depth > DEEPEST:
            place = place_in(text, bracket.start())
            return Fault(place.line, f"is not valid YAML: more than {DEEPEST} brackets are open; close them", place.column)
    return None


def fault_of(error: Exception) -> Fault:
    """The sentence for what a reader raised."""
    place, opened = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    context = str(getattr(error, "context", None) or "") if isinstance(error, MarkedYAMLError | yaml.MarkedYAMLError) else ""
    mark = opened if opened is not None and any(words in problem for words in _OPENED) else place
    for pattern, words in _WORDS:
        match = re.search(pattern, problem) or re.search(pattern, context)
        if match:
            sentence = words.format(**{name: value.strip("'\"") for name, value in match.groupdict().items()})
            return _at(mark, f"is not valid YAML: {sentence}")
    return _at(mark, "is not valid YAML from here on; compare it with a file that is")


def _at(mark: Any, sentence: str) -> Fault:
    """A fault at the place where a reader stopped; it may not know where that was."""
    return Fault(None, sentence) if mark is None else Fault(mark.line + 1, sentence, mark.column + 1)


def sections(text: str) -> Iterator[Section]:
    """The sections of a file; what stands before the first is part of none."""
    key, first, held = "", 0, list[str]()
    for number, line in enumerate(text.splitlines()):
        begins = _SECTION.match(line)
        if begins:
            if key:
                yield Section(key, first, tuple(held))
            key, first, held = begins["key"], number, []
        held.append(line)
    if key:
        yield Section(key, first, tuple(held))


def without(text: str, broken: Iterable[Section], placeholder: str) -> str:
    """The text with a placeholder as the value of each broken section, and all other lines where they were."""
    lines = text.splitlines()
    for section in broken:
        lines[section.line : section.line + len(section.lines)] = [""] * len(section.lines)
        lines[section.line] = f"{section.key}: {placeholder}"
    return "\n".join(lines) + "\n"


def composed(text: str) -> tuple[Any, Any]:
    """The nodes of a document as YAML 1.2 (ruamel.yaml) and as YAML 1.1 (PyYAML); None where it is empty. Raises `ERRORS`."""
    return YAML(typ="safe", pure=True).compose(text), yaml.compose(text, Loader=yaml.SafeLoader)

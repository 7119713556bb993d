"""The faults of a file as its author reads them: `FILE:LINE: KEY: what is wrong`, sorted by line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_FAULTS = 200
"""How many are told at a time."""


@dataclass(frozen=True)
class Place:
    """Where a key or an entry of a list begins in a file: its line and its column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Fault:
    """A fault, without its final full stop, and its line (counted from 1); None where it is the fault of no line.

    The column (from 1) is that of the key or the value that it is about; only `m2pt check` shows it.
    """

    line: int | None
    sentence: str
    column: int | None = None


def told(source: str, faults: Sequence[Fault]) -> str:
    """One sentence for one fault; for several, their number and a line for each; of hundreds, the first."""
    each = dict.fromkeys((fault.line, fault.sentence) for fault in faults)
    order = sorted(each, key=lambda fault: fault[0] or 0)
    lines = [f"{source}{'' if line is None else f':{line}'}: {ended(sentence)}" for line, sentence in order]
    count = f"{len(lines)} faults" if len(lines) < MOST_FAULTS else f"at least {MOST_FAULTS} faults"
    return lines[0] if len(lines) == 1 else "\n".join([f"{source}: {count}:", *(f"  {line}" for line in lines[:MOST_FAULTS])])


def place_in(text: str, offset: int) -> Place:
    """The place of a character of a text."""
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def located(sentence: str, value: Any, places: Mapping[tuple[str | int, ...], Place]) -> Fault:
    """A sentence that begins with a dotted key, with the place of that key, or of the innermost section around it.

    `value` is the content of the file. In a key, an entry of a list is named by its number (`parts[0]`) or its name.
    """
    path = path_of(sentence, value)
    while path and path not in places:
        path = path[:-1]
    return Fault(places[path].line, sentence, places[path].column) if path else Fault(None, sentence)


def path_of(sentence: str, value: Any) -> tuple[str | int, ...]:
    """The path in a document of the dotted key that a sentence begins with, as far as the document has it."""
    path: tuple[str | int, ...] = ()
    rest, going = sentence, True
    while going:
        step, rest = _step(rest, value)
        if step is None:
            return path
        path, value = (*path, step), value[step]
        going = rest.startswith((".", "["))
        rest = rest.removeprefix(".")
    return path


def _step(text: str, value: Any) -> tuple[str | int | None, str]:
    """The key or index of a value that a text begins with, and the rest of the text."""
    if isinstance(value, dict):
        ends = [end.start() for end in re.finditer(r"[:.[]", text)]
        if (end := next((end for end in reversed(ends) if text[:end] in value), None)) is not None:  # a key may itself have dots
            return text[:end], text[end:]
    if isinstance(value, list):
        number = re.match(r"\[(\d+)\]", text)
        if number and int(number.group(1)) < len(value):
            return int(number.group(1)), text[number.end() :]
        named = [(item.get("name"), index) for index, item in enumerate(value) if isinstance(item, dict)]
        names = [(name, index) for name, index in named if isinstance(name, str) and name]
        for name, index in sorted(names, key=lambda each: (len(each[0]), each[1]), reverse=True):  # a name may have dots, too
            if text.startswith((f"{name}:", f"{name}.")):
                return index, text[len(name) :]
    return None, text


def ended(sentence: str) -> str:
    """A sentence with its final full stop."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."

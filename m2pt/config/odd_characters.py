"""Characters that no reader of YAML takes, or not each: they are told, and left out before a file is read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from m2pt.config.lines import Fault, Place

_ODD = re.compile("(?!\\A\ufeff)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|^ *\t", re.MULTILINE)
"""Control characters, characters that are line breaks to some readers, and tabs at the beginning of a line."""


@dataclass(frozen=True)
class OddCharacters:
    """Those of a text in their order, each as a fault; `columns` are theirs in each line that has some.

    `has_tab` says that a line is indented by a tab.
    """

    faults: tuple[Fault, ...]
    columns: Mapping[int, Sequence[int]]
    has_tab: bool

    def place(self, read: Place) -> Place:
        """The place in the file of what is at a place of the text without them."""
        column = read.column
        for odd in self.columns.get(read.line, ()):
            column += odd <= column
        return Place(read.line, column)

    def placed(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """Faults of the text without them, as faults of the file."""
        for fault in faults:
            if fault.line is not None and fault.column is not None:
                fault = replace(fault, column=self.place(Place(fault.line, fault.column)).column)
            yield fault


def odd_characters(text: str) -> OddCharacters:
    """The characters of a text that no reader takes, or not each."""
    faults, columns, has_tab = list[Fault](), dict[int, list[int]](), False
    line, line_start = 1, 0
    for odd in _ODD.finditer(text):
        last = odd.end() - 1
        line += text.count("\n", line_start, last)
        line_start = max(line_start, text.rfind("\n", line_start, last) + 1)
        column = last - line_start + 1
        columns.setdefault(line, []).append(column)
        sentence = f"contains the character U+{ord(text[last]):04X}, which some readers refuse or read as a line break; remove it"
        if text[last] == "\t":
            has_tab, sentence = True, "is indented by a tab; use spaces"
        faults.append(Fault(line, sentence, column))
    return OddCharacters(tuple(faults), columns, has_tab)


def without_odd_characters(text: str) -> str:
    """The text without them."""
    return _ODD.sub("", text)

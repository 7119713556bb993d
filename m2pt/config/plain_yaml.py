"""YAML that means the same to every reader; anything else is refused with its line.

`010` is 8 to a reader of YAML 1.1 (PyYAML) and 10 to one of YAML 1.2 (ruamel.yaml, which DVC uses); `on` is true to one and a
string to the other; for a repeated key, some take the first value and some the last. So the file is read by both libraries. The
result follows the core schema of YAML 1.2, and whatever the two could read differently is an error. There is one exception:
`1e-3`, which is a string to PyYAML, is a number.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from m2pt.config import UserError, yaml_syntax
from m2pt.config.lines import Fault, Place, told
from m2pt.config.odd_characters import odd_characters, without_odd_characters

_YAML = "tag:yaml.org,2002:"
_ESCAPED = "\\0"
"""`UNREAD` in double quotes."""

_MOST_DIGITS = 100
"""Of a number; of some thousands, Python makes none."""

_MOST_CHARACTERS = 400_000
_MOST_VALUES = 20_000
"""Of a document; what an alias repeats counts again. A study of ten thousand runs has some hundreds."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SHORT_TRUTH = ("y", "Y", "n", "N")
"""Booleans according to YAML 1.1, but not to PyYAML."""


class _FaultError(Exception):
    """What is wrong at which mark (counted from 0), and whether nothing else of the file can then be judged."""

    def __init__(self, mark: Any, problem: str, hides: bool = False) -> None:
        super().__init__(problem)
        self.line: int = 0 if mark is None else mark.line
        self.column: int = 0 if mark is None else mark.column
        self.hides = hides
        self.fault = Fault(self.line + 1, problem, self.column + 1)


UNREAD = "\0"
"""Stands in a document where a value could not be read."""


@dataclass(frozen=True)
class Document:
    """The content of one YAML document, and where each of its keys and list entries begins, by its path.

    `faults` are those of the text itself; the values that they leave unknown are `UNREAD`, at the paths of `unread`.
    """

    value: Any
    places: Mapping[tuple[str | int, ...], Place]
    faults: tuple[Fault, ...] = ()
    unread: frozenset[tuple[str | int, ...]] = frozenset()


def read_yaml(text: str, source: str) -> Any:
    """The content of one YAML document: dictionaries with string keys, lists, strings, numbers, booleans and None.

    Raises:
        UserError: it is not YAML, or readers of YAML 1.1 and 1.2 could read it differently; `source` and the line are named. All
            of its faults are told at once.

    """
    document = examine(text)
    if document.faults:
        raise UserError(told(source, document.faults))
    return document.value


def examine(text: str) -> Document:
    """The content of one YAML document with its faults, as far as it can be read: an error ends the reading of its section."""
    if len(text) > _MOST_CHARACTERS:
        return Document(None, {}, (Fault(None, f"has {len(text)} characters; at most {_MOST_CHARACTERS} are read"),))
    odd = odd_characters(text)
    if odd.has_tab:
        return Document(None, {}, odd.faults)  # what stands in which section is unknown
    if (deep := yaml_syntax.too_deep(text)) is not None:
        return Document(None, {}, (*odd.faults, deep))
    if not odd.faults:
        return _read(text)
    read = _read(without_odd_characters(text))
    places = {path: odd.place(place) for path, place in read.places.items()}
    return replace(read, places=places, faults=(*odd.faults, *odd.placed(read.faults)))


def _read(text: str) -> Document:
    """The document of a text, of which each section that is not YAML is left out."""
    try:
        return _examined(text, [])
    except yaml_syntax.ERRORS as error:
        broken = {section: fault for section in yaml_syntax.sections(text) if (fault := section.error) is not None}
        faults = [*(broken.values() or [yaml_syntax.fault_of(error)])]
    try:
        return _examined(yaml_syntax.without(text, broken, f'"{_ESCAPED}"'), faults, {(section.key,) for section in broken})
    except yaml_syntax.ERRORS:
        return Document(None, {}, tuple(faults))


def _examined(text: str, faults: list[Fault], unread: Collection[tuple[str | int, ...]] = ()) -> Document:
    """The document of a text that is YAML; raises `yaml_syntax.ERRORS` if it is not."""
    changed = list(_what_changes_meanings(text))
    if any(fault.hides for fault in changed):
        return Document(None, {}, (*faults, *(each.fault for each in changed)))
    first, second = yaml_syntax.composed(text)
    if first is None or second is None:  # an empty file
        return Document(None, {}, tuple(faults))
    reader = _Reader({(fault.line, fault.column): fault for fault in changed})
    value = reader.value(first, second, (), ())
    return Document(value, reader.places, tuple(dict.fromkeys([*faults, *reader.faults])), frozenset({*unread, *reader.unread}))


def _what_changes_meanings(text: str) -> Iterator[_FaultError]:
    """Tags, anchors that are defined twice, and what is about the document as a whole."""
    documents, anchors, size = 0, set(), _Size()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        if (excess := size.excess(event)) is not None:
            yield _FaultError(mark, excess, hides=True)
            return
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                yield _FaultError(mark, "a second document begins here; write only one", hides=True)
            if event.version or event.tags:
                yield _FaultError(mark, "directives (%YAML, %TAG) change what the file means; remove them", hides=True)
        anchor = None if isinstance(event, yaml.AliasEvent) else getattr(event, "anchor", None)
        if anchor in anchors:
            yield _FaultError(mark, f"the anchor &{anchor} is defined twice; rename one", hides=True)
        anchors |= {anchor} - {None}
        if (tag := getattr(event, "tag", None)) is not None:
            yield _FaultError(mark, f"the tag {tag.replace(_YAML, '!!')} changes what its value means; remove it")


class _Size:
    """Counts the values of a document and how deep they are, while it is parsed, before anything is made of it."""

    def __init__(self) -> None:
        self._values, self._of_anchor = 0, dict[str, int]()
        self._open: list[tuple[str | None, int]] = []

    def excess(self, event: yaml.Event) -> str | None:
        """What is too much with one more event; None if nothing is."""
        match event:
            case yaml.ScalarEvent() | yaml.CollectionStartEvent():
                self._values += 1
                self._open.append((event.anchor, self._values - 1))
            case yaml.AliasEvent():
                self._values += self._of_anchor.get(event.anchor or "", 1)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor is not None:
                self._of_anchor[anchor] = self._values - before
        if self._values > _MOST_VALUES:
            return f"has more than {_MOST_VALUES} values up to here, with those that aliases repeat; write fewer"
        if len(self._open) > yaml_syntax.DEEPEST:
            return f"more than {yaml_syntax.DEEPEST} sections are inside one another; write fewer"
        return None


class _Reader:
    """Reads the nodes of a document, as YAML 1.2 and as YAML 1.1, and goes on after a value that is refused."""

    def __init__(self, refused: Mapping[tuple[int, int], _FaultError]) -> None:
        self.refused = refused
        self.faults: list[Fault] = []
        self.places: dict[tuple[str | int, ...], Place] = {}
        self.unread: set[tuple[str | int, ...]] = set()

    def value(self, node: Node, other: yaml.Node, inside: tuple[Node, ...], path: tuple[str | int, ...]) -> Any:
        """What a node means in YAML 1.2; `other` is the same node read as YAML 1.1, `inside` are the nodes around it."""
        try:
            return self._value(node, other, inside, path)
        except _FaultError as fault:
            self.faults.append(fault.fault)
            self.unread.add(path)
            return UNREAD

    def _value(self, node: Node, other: yaml.Node, inside: tuple[Node, ...], path: tuple[str | int, ...]) -> Any:
        mark = node.start_mark
        self.places.setdefault(path, _place(node))
        if (refused := self.refused.get((mark.line, other.start_mark.column))) is not None:
            raise refused
        if node in inside:
            raise _FaultError(mark, "an alias is inside the node that it refers to; write the value out")
        inside = (*inside, node)
        match node, other:
            case ScalarNode(), yaml.ScalarNode() if node.value == other.value:
                in_brackets = any(isinstance(around, CollectionNode) and around.flow_style for around in inside)
                if node.style is None and ":" in node.value and in_brackets:
                    fault = f"{node.value} has a colon inside brackets, which some readers refuse; put it in quotes"
                    raise _FaultError(mark, fault)
                return _scalar(node, other)
            case SequenceNode(), yaml.SequenceNode() if len(node.value) == len(other.value):
                pairs = enumerate(zip(node.value, other.value, strict=True))
                return [self.value(one, two, inside, (*path, number)) for number, (one, two) in pairs]
            case MappingNode(), yaml.MappingNode() if len(node.value) == len(other.value):
                items = list(self._items(node, other, inside, path))
                return {key: UNREAD if (*path, key) in self.unread else value for key, value in items}
        raise _FaultError(mark, "readers of YAML 1.1 and 1.2 read this differently; write it in a simpler way")

    def _items(
        self, node: MappingNode, other: yaml.MappingNode, inside: tuple[Node, ...], path: tuple[str | int, ...]
    ) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for (key_node, value_node), (other_key, other_value) in zip(node.value, other.value, strict=True):
            try:
                key = self._key(key_node, other_key, inside)
                if key in seen:
                    self.unread.add((*path, key))  # which of its values is meant is unknown
                    raise _FaultError(key_node.start_mark, f"the key {key!r} is set twice; remove one")
            except _FaultError as fault:
                self.faults.append(fault.fault)
                continue
            seen.add(key)
            self.places[(*path, key)] = _place(key_node)
            yield key, self.value(value_node, other_value, inside, (*path, key))

    def _key(self, node: Node, other: yaml.Node, inside: tuple[Node, ...]) -> str:
        mark = node.start_mark
        if not isinstance(node, ScalarNode) or not isinstance(other, yaml.ScalarNode):
            raise _FaultError(mark, "a key must be a string")
        key = self._value(node, other, inside, ("a key",))
        if not isinstance(key, str):
            raise _FaultError(mark, f"the key {node.value} is not a string; write it in quotes")
        if not key.strip(" ."):
            raise _FaultError(mark, f"the key {key!r} is not a name; give it one, or remove it")
        if hidden := next((character for character in key if not character.isprintable()), ""):
            raise _FaultError(mark, f"the key {key!r} contains the character U+{ord(hidden):04X}, which is not seen; remove it")
        return key


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _scalar(node: ScalarNode, other: yaml.ScalarNode) -> Any:
    """A scalar in quotes is a string; a plain one follows the core schema, unless YAML 1.1 reads it differently."""
    text, mark = str(node.value), node.start_mark
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise _FaultError(mark, "contains half of a character (a surrogate escape); write the character itself")
    if node.style is not None:
        return text
    kind, older = (str(tag).rpartition(":")[2] for tag in (node.tag, other.tag))
    match kind:
        case "null" if older == "null":
            return None
        case "bool" if older == "bool":
            return _TRUTH[text]
        case "int" | "float" if len(text) > _MOST_DIGITS:
            raise _FaultError(mark, f"{text[:20]}… has {len(text)} digits; no number here needs more than {_MOST_DIGITS}")
        case "int" if older == "int" and _INT.fullmatch(text):
            return int(text, 0)
        case "float" if _FLOAT.fullmatch(text) and (older == "float" or "e" in text.lower()):
            return float(text)
        case "float" if older == "float" and _SPECIAL.fullmatch(text):
            return float(text.replace(".", ""))
        case "str" if older == "str" and text not in _SHORT_TRUTH:
            return text
        case "merge":
            raise _FaultError(mark, "merge keys (<<) are not part of YAML 1.2; write the keys out")
    raise _FaultError(mark, f"{text} means different things to readers of YAML 1.1 and 1.2; write {_plainer(text, older)}")


def _plainer(text: str, older: str) -> str:
    if older == "bool" or text in _SHORT_TRUTH:
        return f'true or false, or "{text}" in quotes'
    if text[:1] in "0123456789+-.":
        return f'a decimal number without leading zeros or separators, or "{text}" in quotes'
    return f'"{text}" in quotes'

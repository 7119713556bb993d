"""YAML that means the same to every reader; anything else is refused with its line.

`010` is 8 to a reader of YAML 1.1 (PyYAML) and 10 to one of YAML 1.2 (ruamel.yaml, which DVC uses); `on` is true to one and a
string to the other; for a repeated key, some take the first value and some the last. So the file is read by both libraries. The
result follows the core schema of YAML 1.2, and whatever the two could read differently is an error. There is one exception:
`1e-3`, which is a string to PyYAML, is a number.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from m2pt.config import UserError
from m2pt.config.lines import Fault, told

_ODD = re.compile("(?!\\A\ufeff)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|^ *\t", re.MULTILINE)
"""Control characters, characters that are line breaks to some readers, and tabs at the beginning of a line."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SHORT_TRUTH = ("y", "Y", "n", "N")
"""Booleans according to YAML 1.1, but not to PyYAML."""


class _FaultError(Exception):
    """What is wrong on which line (counted from 0)."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.fault = Fault(line + 1, problem)


@dataclass(frozen=True)
class Document:
    """The content of one YAML document, and the line of each of its keys and list entries (counted from 1) by its path."""

    value: Any
    lines: Mapping[tuple[str | int, ...], int]


def read_yaml(text: str, source: str) -> Any:
    """The content of one YAML document: dictionaries with string keys, lists, strings, numbers, booleans and None.

    Raises:
        UserError: as `read_document`.

    """
    return read_document(text, source).value


def read_document(text: str, source: str) -> Document:
    """The content of one YAML document, as `read_yaml`, with its lines.

    Raises:
        UserError: it is not YAML, or readers of YAML 1.1 and 1.2 could read it differently; `source` and the line are named. The
            values that could be read differently are told all at once.

    """
    try:
        _refuse_characters(text)
        _refuse_what_changes_meanings(text)
        first, second = YAML(typ="safe", pure=True).compose(text), yaml.compose(text, Loader=yaml.SafeLoader)
        if first is None or second is None:  # an empty file
            return Document(None, {})
        reader = _Reader()
        value = reader.value(first, second, (), ())
    except _FaultError as fault:
        raise UserError(told(source, [fault.fault])) from fault
    except (YAMLError, yaml.YAMLError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        sentence = f"is not valid YAML{f' ({problem})' if problem else ''}"
        raise UserError(told(source, [Fault(mark.line + 1 if mark else None, sentence)])) from error
    if reader.faults:
        raise UserError(told(source, reader.faults))
    return Document(value, reader.lines)


def _refuse_characters(text: str) -> None:
    odd = _ODD.search(text)
    if odd:
        line = text.count("\n", 0, odd.start())
        if odd.group().endswith("\t"):
            raise _FaultError(line, "is indented by a tab; use spaces")
        code = f"U+{ord(odd.group()):04X}"
        raise _FaultError(line, f"contains the character {code}, which some readers refuse or read as a line break; remove it")


def _refuse_what_changes_meanings(text: str) -> None:
    documents, anchors = 0, set()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _FaultError(line, "a second document begins here; write only one")
            if event.version or event.tags:
                raise _FaultError(line, "directives (%YAML, %TAG) change what the file means; remove them")
        anchor = None if isinstance(event, yaml.AliasEvent) else getattr(event, "anchor", None)
        if anchor in anchors:
            raise _FaultError(line, f"the anchor &{anchor} is defined twice; rename one")
        anchors |= {anchor} - {None}
        if (tag := getattr(event, "tag", None)) is not None:
            raise _FaultError(line, f"the tag {tag} changes what its value means; remove it")


class _Reader:
    """Reads the nodes of a document, as YAML 1.2 and as YAML 1.1, and goes on after a value that is refused."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.lines: dict[tuple[str | int, ...], int] = {}

    def value(self, node: Node, other: yaml.Node, inside: tuple[Node, ...], path: tuple[str | int, ...]) -> Any:
        """What a node means in YAML 1.2; `other` is the same node read as YAML 1.1, `inside` are the nodes around it."""
        try:
            return self._value(node, other, inside, path)
        except _FaultError as fault:
            self.faults.append(fault.fault)
            return None

    def _value(self, node: Node, other: yaml.Node, inside: tuple[Node, ...], path: tuple[str | int, ...]) -> Any:
        line = node.start_mark.line
        self.lines.setdefault(path, line + 1)
        if node in inside:
            raise _FaultError(line, "an alias is inside the node that it refers to; write the value out")
        inside = (*inside, node)
        match node, other:
            case ScalarNode(), yaml.ScalarNode() if node.value == other.value:
                in_brackets = any(isinstance(around, CollectionNode) and around.flow_style for around in inside)
                if node.style is None and ":" in node.value and in_brackets:
                    fault = f"{node.value} has a colon inside brackets, which some readers refuse; put it in quotes"
                    raise _FaultError(line, fault)
                return _scalar(node, other)
            case SequenceNode(), yaml.SequenceNode() if len(node.value) == len(other.value):
                pairs = enumerate(zip(node.value, other.value, strict=True))
                return [self.value(one, two, inside, (*path, number)) for number, (one, two) in pairs]
            case MappingNode(), yaml.MappingNode() if len(node.value) == len(other.value):
                return dict(self._items(node, other, inside, path))
        raise _FaultError(line, "readers of YAML 1.1 and 1.2 read this differently; write it in a simpler way")

    def _items(
        self, node: MappingNode, other: yaml.MappingNode, inside: tuple[Node, ...], path: tuple[str | int, ...]
    ) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for (key_node, value_node), (other_key, other_value) in zip(node.value, other.value, strict=True):
            try:
                key = self._key(key_node, other_key, inside)
                if key in seen:
                    raise _FaultError(key_node.start_mark.line, f"the key {key!r} is set twice; remove one")
            except _FaultError as fault:
                self.faults.append(fault.fault)
                continue
            seen.add(key)
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            yield key, self.value(value_node, other_value, inside, (*path, key))

    def _key(self, node: Node, other: yaml.Node, inside: tuple[Node, ...]) -> str:
        line = node.start_mark.line
        if not isinstance(node, ScalarNode) or not isinstance(other, yaml.ScalarNode):
            raise _FaultError(line, "a key must be a string")
        key = self._value(node, other, inside, ("a key",))
        if not isinstance(key, str):
            raise _FaultError(line, f"the key {node.value} is not a string; write it in quotes")
        return key


def _scalar(node: ScalarNode, other: yaml.ScalarNode) -> Any:
    """A scalar in quotes is a string; a plain one follows the core schema, unless YAML 1.1 reads it differently."""
    text, line = str(node.value), node.start_mark.line
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise _FaultError(line, "contains half of a character (a surrogate escape); write the character itself")
    if node.style is not None:
        return text
    kind, older = (str(tag).rpartition(":")[2] for tag in (node.tag, other.tag))
    match kind:
        case "null" if older == "null":
            return None
        case "bool" if older == "bool":
            return _TRUTH[text]
        case "int" if older == "int" and _INT.fullmatch(text):
            return int(text, 0)
        case "float" if _FLOAT.fullmatch(text) and (older == "float" or "e" in text.lower()):
            return float(text)
        case "float" if older == "float" and _SPECIAL.fullmatch(text):
            return float(text.replace(".", ""))
        case "str" if older == "str" and text not in _SHORT_TRUTH:
            return text
        case "merge":
            raise _FaultError(line, "merge keys (<<) are not part of YAML 1.2; write the keys out")
    raise _FaultError(line, f"{text} means different things to readers of YAML 1.1 and 1.2; write {_plainer(text, older)}")


def _plainer(text: str, older: str) -> str:
    if older == "bool" or text in _SHORT_TRUTH:
        return f'true or false, or "{text}" in quotes'
    if text[:1] in "0123456789+-.":
        return f'a decimal number without leading zeros or separators, or "{text}" in quotes'
    return f'"{text}" in quotes'

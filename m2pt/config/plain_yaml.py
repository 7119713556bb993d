"""YAML that means the same to every reader; anything else is refused with its line.

`010` is 8 to a reader of YAML 1.1 (PyYAML) and 10 to one of YAML 1.2 (ruamel.yaml, which DVC uses); `on` is true to one and a
string to the other; for a repeated key, some take the first value and some the last. So the file is read by both libraries. The
result follows the core schema of YAML 1.2, and whatever the two could read differently is an error. There is one exception:
`1e-3`, which is a string to PyYAML, is a number.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from m2pt.config import UserError

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
        super().__init__(f"line {line + 1}: {problem}")


def read_yaml(text: str, source: str) -> Any:
    """The content of one YAML document: dictionaries with string keys, lists, strings, numbers, booleans and None.

    Raises:
        UserError: it is not YAML, or readers of YAML 1.1 and 1.2 could read it differently; `source` and the line are named.

    """
    try:
        _refuse_characters(text)
        _refuse_what_changes_meanings(text)
        first, second = YAML(typ="safe", pure=True).compose(text), yaml.compose(text, Loader=yaml.SafeLoader)
        if first is None or second is None:  # an empty file
            return None
        return _value(first, second, ())
    except _FaultError as fault:
        raise UserError(f"{source}: {fault}.") from fault
    except (YAMLError, yaml.YAMLError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "not valid YAML"
        raise UserError(f"{source}: {f'line {mark.line + 1}: ' if mark else ''}{problem}.") from error


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


def _value(node: Node, other: yaml.Node, inside: tuple[Node, ...]) -> Any:
    """What a node means in YAML 1.2; `other` is the same node read as YAML 1.1, `inside` are the nodes around it."""
    line = node.start_mark.line
    if node in inside:
        raise _FaultError(line, "an alias is inside the node that it refers to; write the value out")
    inside = (*inside, node)
    match node, other:
        case ScalarNode(), yaml.ScalarNode() if node.value == other.value:
            in_brackets = any(isinstance(around, CollectionNode) and around.flow_style for around in inside)
            if node.style is None and ":" in node.value and in_brackets:
                raise _FaultError(line, f"{node.value} has a colon inside brackets, which some readers refuse; put it in quotes")
            return _scalar(node, other)
        case SequenceNode(), yaml.SequenceNode() if len(node.value) == len(other.value):
            return [_value(one, two, inside) for one, two in zip(node.value, other.value, strict=True)]
        case MappingNode(), yaml.MappingNode() if len(node.value) == len(other.value):
            return dict(_items(node, other, inside))
    raise _FaultError(line, "readers of YAML 1.1 and 1.2 read this differently; write it in a simpler way")


def _items(node: MappingNode, other: yaml.MappingNode, inside: tuple[Node, ...]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for (key_node, value_node), (other_key, other_value) in zip(node.value, other.value, strict=True):
        line = key_node.start_mark.line
        if not isinstance(key_node, ScalarNode):
            raise _FaultError(line, "a key must be a string")
        key = _value(key_node, other_key, inside)
        if not isinstance(key, str):
            raise _FaultError(line, f"the key {key_node.value} is not a string; write it in quotes")
        if key in seen:
            raise _FaultError(line, f"the key {key!r} is set twice; remove one")
        seen.add(key)
        yield key, _value(value_node, other_value, inside)


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

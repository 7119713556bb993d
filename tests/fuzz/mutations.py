"""What is done to a file: bytes, words and lines of any, values and keys of documents, entries of a file of tensors."""

import io
import json
from collections.abc import Callable
from random import Random
from typing import Any, Literal

import torch

Form = Literal["bytes", "text", "json", "jsonl", "tensors"]

VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, -1e-308, float("nan"), float("inf"), 1.5),
    *("", " ", "x" * 5_000, "a\nb", "\0", "\ud800", "\u202e", "../../../etc/passwd", "/etc/passwd", "2020-13-45", "1e999"),
    *("<script>alert(1)</script>", "${HOME}", "[x](javascript:1)", "\x1b[2J"),
    *([], {}, [[]], [None], {"": ""}, {"__class__": "x"}, [0] * 3_000, {str(n): n for n in range(500)}),
)
"""Values that a key is seldom made for."""

WORDS = (
    *(b"!!python/object/apply:os.system ['id']", b"&a [*a]", b"*a", b"<<: *a", b"!!binary xx", b"? [a]: b", b"2020-99-99"),
    *(b"0x", b"1_0", b"%YAML 9.9", b"---", b"...", b"{" * 40, b"[" * 400, b"\t", b"\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf"),
    *("\u2028".encode(), b"9" * 5_000, b"null", b"NaN", b"-Infinity", b"1e999", b'"', b"'", b"\\", b"\\u0000", b"\\ud800"),
    *(b"../", b"/dev/zero", b"//", b"CON", b",,,,", b";", b"\x1b[2J"),
)
"""Words that a reader of text may stumble over."""


def changed(content: bytes, form: Form, chance: Random) -> bytes:
    """The content with one to four things wrong, as `chance` has it."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = chance.choice(_WAYS[form])(content, chance)
    return content


def _bits(content: bytes, chance: Random) -> bytes:
    some = bytearray(content)
    for _ in range(chance.choice((1, 1, 8)) if some else 0):
        some[chance.randrange(len(some))] ^= 1 << chance.randrange(8)
    return bytes(some)


def _cut(content: bytes, chance: Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def _end(content: bytes, chance: Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _zeros(content: bytes, chance: Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    size = chance.choice((1, 4, 512))
    return content[:start] + chance.choice((b"\0", b"\xff")) * size + content[start + size :]


def _twice(content: bytes, chance: Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place:]


def _word(content: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(WORDS) + content[place + chance.choice((0, 0, 1, 5)) :]


def _number(content: bytes, chance: Random) -> bytes:
    """Another length or count, as binary formats have them."""
    if len(content) < 8:
        return content
    place, size = chance.randrange(len(content) - 7), chance.choice((2, 4, 8))
    value = chance.choice((0, 1, 0x7F, 2**15, 2**31 - 1, 2**31, 2**62)) % 2 ** (8 * size)
    return content[:place] + value.to_bytes(size, chance.choice(("little", "big"))) + content[place + size :]


def _lines(content: bytes, chance: Random) -> bytes:
    lines = content.split(b"\n")
    one, other = (chance.randrange(len(lines)) for _ in range(2))
    match chance.randrange(5):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            del lines[one]
        case 2:
            lines.insert(other, lines[one])
        case 3:
            lines[one] = b" " * chance.randrange(9) + lines[one]
        case _:
            name, mark, value = lines[one].partition(chance.choice((b":", b",", b" ")))
            lines[one] = name + mark + chance.choice((chance.choice(WORDS), value + value, b""))
    return b"\n".join(lines)


def _document(content: bytes, chance: Random) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    return json.dumps(_with_fault(document, chance)).encode()


def _with_fault(value: Any, chance: Random) -> Any:
    """The document with another value, another key, one key less or one level more at some place."""
    inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if not inner or chance.random() < 0.1:
        return chance.choice((chance.choice(VALUES), [value], {"value": value}))
    key = chance.choice(list(inner))
    made = dict(value) if isinstance(value, dict) else list(value)
    match chance.randrange(8):
        case 0:
            del made[key]
        case 1 if isinstance(made, dict):
            made[chance.choice(("", "x", f"{key}_", "\0", "__proto__"))] = made.pop(key)
        case 2 if isinstance(made, dict):
            made["unknown"] = chance.choice(VALUES)
        case 3:
            made[key] = value[chance.choice(list(inner))]
        case _:
            made[key] = _with_fault(value[key], chance)
    return made


def _line_of_documents(content: bytes, chance: Random) -> bytes:
    lines = content.split(b"\n")
    place = chance.randrange(len(lines))
    lines[place] = _document(lines[place], chance)
    return b"\n".join(lines)


def _tensors(content: bytes, chance: Random) -> bytes:
    """A file of tensors with another entry, written anew, so that its checksums are right."""
    try:
        entries = torch.load(io.BytesIO(content), weights_only=False)
    except Exception:
        return content
    inner = entries.get("model", entries) if isinstance(entries, dict) else entries
    if not isinstance(inner, dict) or not inner:
        return content
    name = chance.choice(list(inner))
    other = inner[chance.choice(list(inner))]
    match chance.randrange(8):
        case 0:
            del inner[name]
        case 1:
            inner[name] = other
        case 2:
            inner[chance.choice(("", "module." + str(name), str(name) + ".0", "blocks.99.norm1.weight", "\0", 7))] = inner.pop(
                name
            )
        case 3 if isinstance(inner[name], torch.Tensor) and inner[name].numel() < 2**20:
            inner[name] = chance.choice((torch.nan, torch.inf, 0.0)) * inner[name]
        case 4 if isinstance(inner[name], torch.Tensor) and inner[name].numel() < 2**20:
            inner[name] = inner[name].to(chance.choice((torch.float64, torch.bfloat16, torch.int8, torch.complex64, torch.bool)))
        case 5 if isinstance(inner[name], torch.Tensor) and chance.random() < 0.3:
            inner[name] = torch.zeros(1).expand(2**40 + 1)
        case 5 if isinstance(inner[name], torch.Tensor):
            shapes = ((0,), (1,) * 20, (2**40, 0), (3, 5), inner[name].shape[::-1], inner[name].shape[1:])
            inner[name] = torch.zeros(chance.choice(shapes))
        case 6:
            inner[name] = chance.choice(VALUES)
        case _:
            entries = {chance.choice(("state_dict", "model", "module", "net", "x")): entries}
    file = io.BytesIO()
    try:
        torch.save(entries, file)
    except (ValueError, TypeError, RuntimeError, UnicodeEncodeError):
        return content
    return file.getvalue()


_ANY: tuple[Callable[[bytes, Random], bytes], ...] = (_bits, _cut, _end, _zeros, _twice, _word, _number)
_WAYS: dict[Form, tuple[Callable[[bytes, Random], bytes], ...]] = {
    "bytes": _ANY,
    "text": (*_ANY, *[_lines] * 5, *[_word] * 4),
    "json": (*_ANY, *[_document] * 12),
    "jsonl": (*_ANY, _lines, *[_line_of_documents] * 12),
    "tensors": (*_ANY, *[_tensors] * 12),
}

"""The identity of a run: the canonical form of its spec, and the id that ends in the hash of that form.

Equal ids mean equal numbers on the same kind of hardware: the form covers the complete spec and `RECIPE_VERSION`.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

from m2pt.config.base import Frozen, Same, SameAll
from m2pt.runs.spec import RunSpec, Spec, undrawn

RECIPE_VERSION = 3
"""Raise this whenever a change of the code changes the numbers that an unchanged spec leads to."""


def canonical(value: Any) -> str:
    """The canonical JSON of plain data: sorted keys, no spaces, shortest floats.

    Raises:
        TypeError: the value holds something without a canonical form.
        ValueError: the value holds NaN or an infinity.

    """
    _refuse_unknown(value)
    return _WRITER.encode(value)


_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def _refuse_unknown(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key must be a string, not {type(key).__name__}")
            _refuse_unknown(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_unknown(item)
    elif value is not None and not isinstance(value, str | bool | int | float):
        raise TypeError(f"{type(value).__name__} has no canonical form")


def run_id(spec: Spec) -> str:
    """The id of a run: its readable name and eight hexadecimal digits of the SHA-256 of its canonical form.

    Raises:
        ValueError: weights that the spec names do not exist yet.

    """
    return _id_of(Same(spec))


@functools.lru_cache(maxsize=2**15)
def _id_of(same: Same[Spec]) -> str:
    spec = same.value
    if not spec.ready:
        raise ValueError(f"{spec.name}: the weights it needs do not exist yet, so it has no id")
    return f"{spec.name}-{digest(spec)[:8]}"


def digest(spec: Spec) -> str:
    """SHA-256 of the canonical form of a spec with `RECIPE_VERSION`, also of one that has no id yet: equal for equal specs."""
    return _digest_of(Same(spec))


@functools.lru_cache(maxsize=2**15)
def _digest_of(same: Same[Spec]) -> str:
    return hashlib.sha256(f'{{"recipe_version":{RECIPE_VERSION},"spec":{_form(same.value, {})}}}'.encode()).hexdigest()


def form_without_draw(spec: RunSpec) -> str:
    """The canonical form of `without_draw(spec)`: equal for runs that differ by seed and replicate alone."""
    return _form(spec, undrawn(spec))


def _form(spec: Spec, changes: dict[str, Any]) -> str:
    """What `canonical` writes of a spec with other values of some fields. What the runs of a cell share is written once."""
    values = spec.__dict__ | changes
    shared, drawn = _fields(type(spec))
    texts = _written(shared, SameAll(tuple([values[name] for name, _ in shared])))
    own = _written(drawn, SameAll(tuple([values[name] for name, _ in drawn])))
    return f"{{{','.join(sorted([*texts, *own]))}}}"


_Fields = tuple[tuple[str, Callable[[Any], bool] | None], ...]
"""Fields of a kind of spec, each with what tells the values that are not written."""

_OF_A_DRAW = frozenset({"seed", "replicate", "target_weights", "auxiliary_weights", "more_weights"})


@functools.cache
def _fields(kind: type[Spec]) -> tuple[_Fields, _Fields]:
    """The fields that the runs of a cell share, and those of a draw."""
    fields = [(name, field.exclude_if) for name, field in kind.model_fields.items()]
    shared = tuple(field for field in fields if field[0] not in _OF_A_DRAW)
    return shared, tuple(field for field in fields if field[0] in _OF_A_DRAW)


@functools.lru_cache(maxsize=2**13)
def _written(fields: _Fields, same: SameAll) -> list[str]:
    """What is written of fields with these values."""
    named = zip(fields, same.values, strict=True)
    return [f'"{name}":{_text(value)}' for (name, is_left_out), value in named if is_left_out is None or not is_left_out(value)]


def _text(value: object) -> str:
    if isinstance(value, Frozen):
        return _section_text(Same(value))
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    return _string(value) if isinstance(value, str) else canonical(value)


_string = functools.lru_cache(maxsize=2**12)(_WRITER.encode)


@functools.lru_cache(maxsize=2**12)
def _section_text(same: Same[Frozen]) -> str:
    return _WRITER.encode(same.value.model_dump(mode="json"))  # what a model dumps as JSON has a canonical form


def cell_key(spec: RunSpec) -> str:
    """Equal for the runs of one study that differ by seed and replicate alone (same readable name without them)."""
    cell = spec.name.rpartition("-s")[0]
    return cell if spec.replicate is None else cell.removesuffix(f"-e{spec.replicate}")


def drawn_seed(spec: RunSpec, *purpose: str | int) -> int:
    """A derived seed for weights that a run draws: another one in each replicate, as encoders from files are."""
    replicate = () if spec.replicate is None else ("replicate", spec.replicate)
    return derived_seed(spec.seed, *purpose, *replicate)


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose (split, order of epoch 3, ...), independent between purposes and stable over platforms."""
    return int.from_bytes(hashlib.sha256(canonical([seed, *purpose]).encode()).digest()[:8], "big") >> 1

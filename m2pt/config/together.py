"""What is wrong with values together, at every level of a document at once, if its values are possible one by one."""

from collections.abc import Iterator, Mapping

from m2pt.config.base import Frozen
from m2pt.config.faults import under


def within(section: Frozen, key: str = "") -> Iterator[str]:
    """The contradictions of all sections inside one that was read as `UNCHECKED`, each with its dotted key."""
    for name, field in type(section).model_fields.items():
        yield from _of(getattr(section, name), f"{key}.{field.alias or name}".removeprefix("."))


def _of(value: object, key: str) -> Iterator[str]:
    if isinstance(value, Frozen):
        yield from within(value, key)
        yield from (under(key, sentence, type(value)) for sentence in value.contradictions(None))
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _of(entry, f"{key}.{name}")
    elif isinstance(value, tuple):
        for place, entry in enumerate(value):
            yield from _of(entry, f"{key}[{place}]")

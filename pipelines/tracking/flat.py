"""Nested settings as a tracker takes them: dotted names and texts."""

from collections.abc import Iterator
from typing import Any


def flat(values: dict[str, Any]) -> dict[str, str]:
    """The settings by name: `finetune.learning_rate`, `pathway.layers` as a comma list; what is not set is `none`."""
    return dict(_flat("", values))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _flat(f"{prefix}.{key}" if prefix else key, item)
        case list():
            yield prefix, ",".join(str(item) for item in value)
        case bool():
            yield prefix, str(value).lower()
        case None | "":
            yield prefix, "none"
        case _:
            yield prefix, str(value)

"""The names that other installed packages add to m2pt by entry point: modalities, data sets and methods.

The names are known from what is installed, without importing it. A name that cannot be used is left out, and a sentence says why
(`m2pt.config.installed` tells it as soon as a study is read).
"""

import functools
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

KINDS: Mapping[str, str] = {"m2pt.modalities": "modality", "m2pt.datasets": "data set", "m2pt.methods": "method"}
"""What each group of entry points adds."""

_NAMES: Mapping[str, tuple[str, str]] = {
    "m2pt.modalities": (r"[a-z][a-z0-9_]*", "small letters, digits and _"),
    "m2pt.datasets": (r"[a-z][a-z0-9-]*", "small letters, digits and -"),
    "m2pt.methods": (r"[a-z][a-z0-9_]*", "small letters, digits and _"),
}


@dataclass(frozen=True)
class Plugin:
    """One name that an installed package adds: the object at `value` (`package.module:NAME`)."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def module(self) -> str:
        """The module that has the object."""
        return self.value.partition(":")[0].strip()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Further:
    """The names of one group that can be used, and a sentence (without its full stop) for each that cannot."""

    plugins: Mapping[str, Plugin]
    faults: tuple[str, ...]


def further(group: str, taken: Collection[str]) -> Further:
    """What installed packages add to one group of `KINDS`; `taken` are the names that m2pt has itself."""
    by_name: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in sorted(_installed(group), key=lambda plugin: (plugin.distribution, plugin.value)):
        by_name[plugin.name].append(plugin)
    faults = [fault for name, several in by_name.items() if (fault := _fault(group, name, several, taken)) is not None]
    usable = {name: several[0] for name, several in sorted(by_name.items()) if _fault(group, name, several, taken) is None}
    return Further(usable, tuple(faults))


def _fault(group: str, name: str, several: list[Plugin], taken: Collection[str]) -> str | None:
    kind, (pattern, words) = KINDS[group], _NAMES[group]
    if name in taken:
        return f"the plugin {several[0]} adds a {kind} {name!r}, a name that m2pt itself has; rename it, or uninstall the plugin"
    if len(several) > 1:
        both = " and ".join(map(str, several))
        return f"the plugins {both} each add a {kind} {name!r}; uninstall one of them"
    if not re.fullmatch(pattern, name):
        return f"the plugin {several[0]} adds a {kind} {name!r}; its name must be {words}, the first a letter"
    return None


def _installed(group: str) -> Iterator[Plugin]:
    for point in _points().select(group=group):
        if point.dist is not None:
            yield Plugin(group, point.name, point.value, point.dist.metadata["Name"], point.dist.version)


@functools.cache
def _points() -> Any:  # its type differs between versions of Python
    """All entry points; installed packages are looked through once."""
    return entry_points()

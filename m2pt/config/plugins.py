"""Importing what other installed packages add to m2pt; every way in which that can fail is one sentence."""

import functools
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TypeVar

from m2pt.config.base import UserError
from m2pt.config.entry_points import KINDS, Plugin

T = TypeVar("T")


def load(plugin: Plugin, kind: type[T], where: str | None = None) -> T:
    """The object of a plugin, or another one of its package at `where` (`package.module:NAME`).

    Raises:
        UserError: it cannot be imported, does not exist, or is no `kind`.

    """
    module, _, name = (where or plugin.value).partition(":")
    subject = f"the {KINDS[plugin.group]} {plugin.name!r} of the plugin {plugin}"
    try:
        value = import_module(module.strip())
        for step in name.strip().split("."):
            value = getattr(value, step)
    except (Exception, SystemExit) as error:  # whatever the code of somebody else raises
        words = " ".join(str(error).split())
        raise UserError(
            f"{subject} cannot be imported ({module}: {type(error).__name__}{f': {words}' if words else ''}); repair the plugin, "
            "or uninstall it."
        ) from error
    if not isinstance(value, kind):
        raise UserError(f"{subject} is no {kind.__name__} ({where or plugin.value}); correct the plugin, or uninstall it.")
    return value


class Late(Mapping[str, T]):
    """A mapping that is made when it is first used, because plugins import the module that has it."""

    def __init__(self, make: Callable[[], dict[str, T]]) -> None:
        self.made = functools.cache(make)

    def __getitem__(self, key: str) -> T:
        return self.made()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made())

    def __len__(self) -> int:
        return len(self.made())

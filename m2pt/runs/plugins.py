"""The code of plugins that a run computes with, which is part of what the run is: other code, another run."""

import functools
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from m2pt.config import Dataset, Frozen, MethodName, Modality, UserError, refuses_unknown
from m2pt.config.base import FURTHER_MODALITIES
from m2pt.config.datasets import FURTHER_DATASETS
from m2pt.config.entry_points import Plugin
from m2pt.config.methods import FURTHER_METHODS
from m2pt.runs.source import files_sha256


class PluginCode(Frozen):
    """The code of a plugin: a top-level package of a distribution, its version, and a digest of the package's files."""

    distribution: str
    package: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@functools.cache
@refuses_unknown
def code_used(modalities: tuple[Modality, ...], dataset: Dataset | None, method: MethodName | None) -> tuple[PluginCode, ...]:
    """The code of the plugins that add any of these names; nothing for names of m2pt itself, and for `random`.

    Raises:
        UserError: the package of a plugin is not there.

    """
    named = [FURTHER_MODALITIES.plugins.get(modality) for modality in modalities]
    named += [FURTHER_DATASETS.plugins.get(dataset or ""), FURTHER_METHODS.plugins.get(method or "")]
    codes = {code_of(plugin) for plugin in named if plugin is not None}
    return tuple(sorted(codes, key=lambda code: (code.distribution, code.package)))


def require_code(codes: Iterable[PluginCode], what: str) -> None:
    """Refuse to compute with other code of plugins than a run was planned with; `what` names it.

    Raises:
        UserError: a plugin is not installed, or its code is another.

    """
    for code in codes:
        here = next(
            (one for one in installed_code() if (one.distribution, one.package) == (code.distribution, code.package)), None
        )
        if here is None:
            raise UserError(f"{what}: needs the plugin {code}, which is not installed here; install it.")
        if here != code:
            raise UserError(
                f"{what}: was planned with the plugin {code} (code {code.sha256[:10]}), and {here} (code {here.sha256[:10]}) is "
                "installed here; install that one, or plan its study again."
            )


@functools.cache
def installed_code() -> tuple[PluginCode, ...]:
    """The code of all plugins that are installed. Raises `UserError` as `code_of`."""
    plugins = [
        plugin for further in (FURTHER_MODALITIES, FURTHER_DATASETS, FURTHER_METHODS) for plugin in further.plugins.values()
    ]
    return tuple(dict.fromkeys(code_of(plugin) for plugin in plugins))


@functools.cache  # as the files are when a process first asks, which is when it imports them
def code_of(plugin: Plugin) -> PluginCode:
    """The code of a plugin as it is installed. Raises `UserError` if its package is not there, or has no files of its own."""
    package = ""
    for part in plugin.module.split("."):
        package = f"{package}.{part}".removeprefix(".")
        try:
            place = find_spec(package)
        except ImportError:
            place = None
        if place is None:
            break
        if place.origin is None:
            continue  # a namespace, which other distributions may share
        file = Path(place.origin)
        if not file.is_file():  # nothing would be read, so that any two would be the same
            raise UserError(
                f"the plugin {plugin} is imported from {place.origin}, which is no file, so its code cannot be told from other "
                "code; install it as files."
            )
        folder = file.parent if place.submodule_search_locations else None
        files = _files(folder) if folder is not None else {file.name: file}
        return PluginCode(distribution=plugin.distribution, package=package, version=plugin.version, sha256=files_sha256(files))
    raise UserError(f"the plugin {plugin} has no package {plugin.module!r}; install it again, or uninstall it.")


def _files(package: Path) -> dict[str, Path]:
    """All files of a package but what Python made of them: also tables and compiled code can change a number."""
    files = {path.relative_to(package): path for path in package.rglob("*") if path.suffix != ".pyc" and path.is_file()}
    return {name.as_posix(): path for name, path in files.items() if "__pycache__" not in name.parts}

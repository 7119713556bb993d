"""Cache keys for the results of reading data: each covers everything that the result depends on."""

import functools
import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import m2pt
from m2pt.config import Modality, refuses_unknown
from m2pt.config.base import FURTHER_MODALITIES
from m2pt.modalities.registry import SPECS
from m2pt.runs.identity import canonical
from m2pt.runs.plugins import code_of


@refuses_unknown
def reading_key(modality: Modality, data_sha256: str, asked: Any) -> str:
    """The cache key of what a modality's readers produce from the data: 16 hexadecimal digits.

    It covers the content of the data, everything that the reader is given (`asked`: plain data), the source code of the readers,
    and the versions of the packages that decode. No version has to be increased by hand when a reader changes.

    Raises:
        TypeError: `asked` holds a value without a canonical form.

    """
    packages = {name: version(name) for name in SPECS[modality].decoders}
    form = canonical([readers_sha256(modality), packages, data_sha256, asked])
    return hashlib.sha256(form.encode()).hexdigest()[:16]


@refuses_unknown
@functools.cache  # of the code that this process has loaded
def readers_sha256(modality: Modality) -> str:
    """SHA-256 of the source code of a modality's readers: its own folder or plugin, and the code that all modalities share."""
    home = Path(m2pt.__file__).parent / "modalities"
    if (plugin := FURTHER_MODALITIES.plugins.get(modality)) is not None:
        shared = sources_sha256(home, [*home.glob("*.py"), *(home / "shared").glob("*.py")])
        return hashlib.sha256(f"{shared} {code_of(plugin).sha256}".encode()).hexdigest()
    return sources_sha256(home, [*home.glob("*.py"), *(home / "shared").glob("*.py"), *(home / modality).rglob("*.py")])


def sources_sha256(home: Path, paths: Iterable[Path]) -> str:
    """SHA-256 over the names below `home` and the contents of source files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(home).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()

"""The embedded data sets: made completely or not at all, and only if they do not exist yet."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from m2pt.config import EmbeddedData, Modality, UserError
from m2pt.config.base import BUILT_IN_MODALITIES
from m2pt.data.fingerprints import CACHE, fingerprint
from m2pt.files.access import unwritable
from m2pt.files.documents import half_written, recalled_json, write_json, written_under
from m2pt.files.leases import LeaseLostError, leased, require_leases
from m2pt.modalities.registry import SPECS
from m2pt.modalities.spec import Embedded

MANIFEST = "embedded.json"
"""In the root of embedded data: what each modality was made from, and its fingerprint. It belongs to no data set."""

_ASIDE = ".making-"


Making = Callable[[Modality, int, int], None]
"""Is told of a modality before its data are made, with how many have been made and how many will be."""

Made = Callable[[Modality, str], None]
"""Is told of a modality when its data are complete, with their fingerprint."""


def write_embedded(
    root: Path,
    sizes: EmbeddedData,
    cache: Path = CACHE,
    making: Making | None = None,
    modalities: Sequence[Modality] = BUILT_IN_MODALITIES,
    made: Made | None = None,
) -> bool:
    """Make the embedded data sets of `modalities` below `root`, one folder for each; False if all are there and unchanged.

    A folder is made under a temporary name and then renamed. One that is missing, was changed, or was made with other sizes or by
    another version of its generator is made again.

    Raises:
        UserError: an optional package is missing, a size is too small, or the disk is full; or this process was frozen until
            another one went on with it.

    """
    try:
        with leased(cache / "embedded.lease") as lease, written_under(lease, [root / MANIFEST]):
            return _write_stale(root, sizes, cache, making, modalities, made)
    except LeaseLostError as error:
        raise UserError(f"{root}: while this process did not respond, another one took over making it; start again.") from error


def _write_stale(
    root: Path, sizes: EmbeddedData, cache: Path, making: Making | None, modalities: Sequence[Modality], made: Made | None
) -> bool:
    manifest = _manifest(root)
    if not (root / MANIFEST).is_file():
        write_json(root / MANIFEST, manifest)  # whoever is interrupted from here on has begun a folder of data
    stale = [modality for modality in modalities if not _is_there(root, modality, sizes, manifest, cache)]
    for index, modality in enumerate(stale):
        if making is not None:
            making(modality, index, len(stale))
        manifest.pop(modality, None)
        _make(root, modality, sizes)
        sha256 = fingerprint(root / modality, cache)
        manifest[modality] = {**_origin(modality, sizes), "sha256": sha256}
        write_json(root / MANIFEST, manifest)
        if made is not None:
            made(modality, sha256)
    return bool(stale)


def is_begun(root: Path) -> bool:
    """Whether a folder holds nothing, or only what an interrupted start of `write_embedded` left before its manifest."""
    try:
        return set(root.iterdir()) <= set(half_written([root / MANIFEST]))
    except OSError:
        return False


def _origin(modality: Modality, sizes: EmbeddedData) -> dict[str, Any]:
    return {"version": _embedded(modality).version, "sizes": sizes.model_dump(mode="json")}


def _embedded(modality: Modality) -> Embedded:
    if (declared := SPECS[modality].embedded) is None:
        raise UserError(f"data.embedded: {modality} has no embedded data set; put its data into the folder of data.root.")
    return declared()


def _manifest(root: Path) -> dict[str, Any]:
    """The manifest at `root`; empty if there is none or it cannot be read."""
    return recalled_json(root / MANIFEST) or {}


def _is_there(root: Path, modality: Modality, sizes: EmbeddedData, manifest: dict[str, Any], cache: Path) -> bool:
    try:
        now = {**_origin(modality, sizes), "sha256": fingerprint(root / modality, cache)}
    except UserError:
        return False
    return manifest.get(modality) == now


def _make(root: Path, modality: Modality, sizes: EmbeddedData) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f"{_ASIDE}*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=root, prefix=_ASIDE) as aside:
            fresh, old = Path(aside) / modality, Path(aside) / "old"
            _embedded(modality).write(fresh, sizes)
            require_leases()  # whoever takes over begins with removing the folder aside, so nothing can be renamed too late
            if (root / modality).exists():
                (root / modality).rename(old)
            fresh.rename(root / modality)
    except OSError as error:
        raise unwritable(root / modality, error) from error

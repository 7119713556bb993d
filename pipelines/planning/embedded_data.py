"""The embedded data of a study: whether they match the declared sizes, and making them."""

import filecmp
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from m2pt.config import EmbeddedData, Modality, Study, UserError
from m2pt.config.base import BUILT_IN_MODALITIES, FURTHER_MODALITIES
from m2pt.data.embedded import MANIFEST, Made, Making, is_begun, write_embedded
from m2pt.data.fingerprints import fingerprint
from m2pt.files.documents import read_json
from m2pt.modalities.registry import SPECS
from pipelines.planning.grid import data_used

_MOST_NAMED = 5

_MADE_AGAIN = "`m2pt data` makes the data again"


def made(study: Study) -> dict[str, Mapping[str, Any]]:
    """What the embedded data of a study were made from, by modality; empty for other data.

    Raises:
        UserError: the file that says so is damaged.

    """
    path = Path(study.data.root) / MANIFEST
    if study.data.embedded is None or not path.is_file():
        return {}
    return {key: facts for key, facts in read_json(path, _MADE_AGAIN).items() if isinstance(facts, Mapping)}


def is_stale(study: Study, key: str, made: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the embedded data of a target were made with other sizes than the study declares."""
    declared = study.data.embedded
    return declared is not None and key in made and made[key].get("sizes") != declared.model_dump(mode="json")


def other_than_made(
    study: Study, key: str, sha256: str, made: Mapping[str, Mapping[str, Any]], files: Sequence[str] = ()
) -> str | None:
    """A sentence if the embedded data of a target have another fingerprint than when they were made, otherwise None.

    It names the changed `files`, as far as they are known.
    """
    if key in study.tasks or key not in made or made[key].get("sha256", sha256) == sha256:
        return None
    listed = f": {', '.join(files[:_MOST_NAMED])}{', ...' if len(files) > _MOST_NAMED else ''}" if files else ""
    return (
        f"{Path(study.data.root) / key}: a file in it is not as it was made{listed} ({MANIFEST} has another fingerprint), so its "
        f"runs would be others; {_MADE_AGAIN}, and `data.root` is for data of your own."
    )


def changed_files(study: Study) -> Iterator[str]:
    """A sentence for each modality whose embedded data are not as they were made, with the files: the data are made once more.

    Data that this version would make otherwise are told without their files.
    """
    if study.data.embedded is None:
        return
    try:
        facts = made(study)
    except UserError as error:
        yield str(error)
        return
    for modality, spec in SPECS.items():
        if spec.embedded is None:
            continue
        folder = Path(study.data.root) / modality
        if modality not in facts or not folder.is_dir() or is_stale(study, modality, facts):
            continue
        if other_than_made(study, modality, sha256 := fingerprint(folder), facts) is not None:
            with tempfile.TemporaryDirectory() as place:
                spec.embedded().write(fresh := Path(place) / modality, study.data.embedded)
                is_same = fingerprint(fresh, Path(place) / "cache") == facts[modality]["sha256"]
                names = _differing(folder, fresh) if is_same else []
            yield str(other_than_made(study, modality, sha256, facts, names))


def _differing(folder: Path, fresh: Path) -> list[str]:
    """The paths below two folders at which they do not hold the same file."""
    names = {path.relative_to(place).as_posix() for place in (folder, fresh) for path in place.rglob("*") if path.is_file()}
    _, *others = filecmp.cmpfiles(folder, fresh, names, shallow=False)
    return sorted(name for differing in others for name in differing)


def unmade(root: Path) -> str | None:
    """Why the embedded data cannot be made in a folder: others are there, or it cannot be made; None if they can."""
    if root.exists():
        if (root / MANIFEST).is_file() or is_begun(root):
            return None
        return f"{root}: was not made by m2pt; delete it, or choose another folder for the embedded data (data.root)."
    above = next(folder for folder in root.absolute().parents if folder.exists())
    try:
        Path(tempfile.mkdtemp(dir=above)).rmdir()  # in some folders even their owner can make none
    except OSError as error:
        return f"data.root: {root} cannot be made ({error.strerror}); choose a folder that you can write to."
    return None


def modalities_made(study: Study) -> tuple[Modality, ...]:
    """The modalities whose embedded data a study comes with: all of m2pt's own, and those of plugins that it uses."""
    return (*BUILT_IN_MODALITIES, *(key for key in data_used(study) if key in FURTHER_MODALITIES.plugins))


def make_data(
    root: Path,
    sizes: EmbeddedData,
    making: Making | None = None,
    modalities: Sequence[Modality] = BUILT_IN_MODALITIES,
    made: Made | None = None,
) -> bool:
    """Make the embedded data of `modalities` in `root` that are not there as declared; returns whether any were made.

    `making` is told of each modality before it is made, `made` afterwards.

    Raises:
        UserError: `root` has data that m2pt did not make, or cannot be written.

    """
    if sentence := unmade(root):
        raise UserError(sentence)
    return write_embedded(root, sizes, making=making, modalities=modalities, made=made)

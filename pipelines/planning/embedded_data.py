"""The embedded data of a study: whether they match the declared sizes, and making them."""

import tempfile
from pathlib import Path

from m2pt.config import EmbeddedData, Study, UserError
from m2pt.data.embedded import MANIFEST, Making, is_begun, write_embedded
from m2pt.files.documents import read_json

_MADE_AGAIN = "delete the folder {}; the data are made again"


def is_stale(study: Study, key: str) -> bool:
    """Whether the embedded data of a target were made with other sizes than the study declares."""
    path = Path(study.data.root) / MANIFEST
    if study.data.embedded is None or not path.is_file():
        return False
    made = read_json(path, _MADE_AGAIN.format(path.parent)).get(key)
    return isinstance(made, dict) and made.get("sizes") != study.data.embedded.model_dump(mode="json")


def require_as_made(study: Study, key: str, sha256: str) -> None:
    """Raise `UserError` if embedded data of the declared sizes have another fingerprint than when they were made."""
    path = Path(study.data.root) / MANIFEST
    if study.data.embedded is None or key in study.tasks or not path.is_file():
        return
    made = read_json(path, _MADE_AGAIN.format(path.parent)).get(key)
    if isinstance(made, dict) and made.get("sha256", sha256) != sha256:
        raise UserError(
            f"{path.parent / key}: a file in it is not as it was made ({MANIFEST} has another fingerprint), so its runs would be "
            f"others; `m2pt data` makes the data again, and `data.root` is for data of your own."
        )


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


def make_data(root: Path, sizes: EmbeddedData, making: Making | None = None) -> bool:
    """Make the embedded data in `root` that are not there as declared; returns whether any were made.

    `making` is told of each modality before it is made.

    Raises:
        UserError: `root` has data that m2pt did not make, or cannot be written.

    """
    if sentence := unmade(root):
        raise UserError(sentence)
    return write_embedded(root, sizes, making=making)

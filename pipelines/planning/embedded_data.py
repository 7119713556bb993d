"""The embedded data of a study: whether they match the declared sizes, and making them."""

from pathlib import Path

from m2pt.config import EmbeddedData, Study, UserError
from m2pt.data.embedded import MANIFEST, Making, write_embedded
from m2pt.files.documents import read_json


def is_stale(study: Study, key: str) -> bool:
    """Whether the embedded data of a target were made with other sizes than the study declares."""
    path = Path(study.data.root) / MANIFEST
    if study.data.embedded is None or not path.is_file():
        return False
    made = read_json(path).get(key)
    return made is not None and made.get("sizes") != study.data.embedded.model_dump(mode="json")


def make_data(root: Path, sizes: EmbeddedData, making: Making | None = None) -> bool:
    """Make the embedded data in `root` that are not there as declared; returns whether any were made.

    `making` is told of each modality before it is made.

    Raises:
        UserError: `root` has data that m2pt did not make, or cannot be written.

    """
    if root.exists() and not (root / MANIFEST).is_file():
        raise UserError(f"{root}: was not made by m2pt; delete it, or choose another folder for the embedded data (data.root).")
    return write_embedded(root, sizes, making=making)

"""The lists of AudioSet as AST and AudioMAE keep them: manifests in JSON, and the table of classes.

A manifest is `{"data": [{"wav": "path", "labels": "/m/..."}]}`; `class_labels_indices.csv` (index, mid, display_name) says what
the labels mean.
"""

from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.modalities.shared.listings import read_document, read_rows
from m2pt.modalities.shared.missing import advice

CLASSES = "class_labels_indices.csv"


def read_classes(path: Path) -> tuple[dict[str, int], list[str]]:
    """The label of each identifier, and the names by label.

    Raises:
        UserError: the table is missing, damaged, or does not count the classes from 0.

    """
    rows = [row for _, row in read_rows(path)]
    try:
        names = {int(row["index"]): row["display_name"] for row in rows}
        by_mid = {row["mid"]: int(row["index"]) for row in rows}
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: is not a table of index, mid and display_name; make the data again.") from error
    if sorted(names) != list(range(len(rows))) or len(by_mid) != len(rows):
        raise UserError(f"{path}: must give every class one index, counted from 0, and one mid; make the data again.")
    return by_mid, [names[index] for index in range(len(rows))]


def read_entries(manifest: Path) -> list[Any]:
    """The entries of a manifest, not checked yet.

    Raises:
        UserError: it is missing or no manifest.

    """
    if not manifest.is_file():
        more = advice(manifest.parent, manifest.name)
        raise UserError(f"{manifest}: is missing; a split of sounds is listed there{more}.")
    document = read_document(manifest)
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UserError(f'{manifest}: is not a manifest of the form {{"data": [...]}}; restore the file.')
    return entries


def read_entry(entry: Any, number: int, manifest: Path) -> tuple[str, str]:
    """The path and the labels of entry `number` (from 0), as they are written but for spaces around labels.

    Raises:
        UserError: it has none.

    """
    name, labels = (entry.get("wav"), entry.get("labels")) if isinstance(entry, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(labels, str):
        raise UserError(f"{manifest}: data[{number}] needs `wav` and `labels`, both texts.")
    return name, ",".join(label.strip() for label in labels.split(","))

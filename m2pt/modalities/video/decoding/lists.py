"""The lists of Kinetics as VideoMAE publishes them: lines `path label`, and the names of the labels."""

import re
from pathlib import Path

from m2pt.config import UserError
from m2pt.modalities.shared.listings import read_lines, read_list, read_rows

CLASSES = "classes.txt"
PUBLISHED_CLASSES = "kinetics_*_labels.csv"

_LINE = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>.*?))(?:\s+|\s*,\s*)(?:"(?P<in_quotes>\d{1,99})"|(?P<label>\d{1,99}))')


def read_entries(listing: Path) -> list[tuple[int, str, int]]:
    """Number, path and label of each line: with spaces, a tab or a comma between the two, and in quotes or not.

    Raises:
        UserError: the list is missing, empty or no text, or has a line of another form.

    """
    entries = []
    for number, line in read_lines(listing):
        match = _LINE.fullmatch(line)
        name = (match["quoted"] or match["plain"] or "").strip() if match else ""
        if match is None or not name:
            raise UserError(f"{listing}: line {number} is not `path label` with a whole number as the label: {line!r}.")
        entries.append((number, name, int(match["in_quotes"] or match["label"])))
    return entries


def read_classes(folder: Path) -> tuple[Path, list[str]] | None:
    """The file with the names of the labels, and the names: `classes.txt`, or a published table; None where there is neither.

    Raises:
        UserError: there are several such files, or it is damaged.

    """
    tables = [folder / CLASSES] if (folder / CLASSES).exists() else []
    tables += sorted(folder.glob(PUBLISHED_CLASSES))
    if len(tables) > 1:
        raise UserError(f"{folder}: holds {tables[0].name} and {tables[1].name}, which both name the classes; keep one of them.")
    if not tables:
        return None
    return tables[0], read_list(tables[0]) if tables[0].name == CLASSES else _published(tables[0])


def _published(path: Path) -> list[str]:
    """The names in a file with the columns `id,name`, in the order of their numbers."""
    (_, first), *_ = read_lines(path)
    heading = [value.strip() for value in first.split(",")]
    rows = read_rows(path, None if heading == ["id", "name"] else ("id", "name"))
    names = {row["id"]: row["name"] for _, row in rows}
    numbers = [str(label) for label in range(len(rows))]
    if set(names) != set(numbers):
        raise UserError(f"{path}: must hold lines `id,name`, each number from 0 on once; correct it or give {CLASSES} instead.")
    return [names[number] for number in numbers]

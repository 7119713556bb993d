"""ESC-50 (Piczak, 2015) as it is published: `meta/esc50.csv` and `audio/*.wav`, in five folds."""

from pathlib import Path

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.audio.items import SoundItems, inside, require_sounds
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.listings import read_rows, require_unique
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

FOLDS = (1, 2, 3, 4, 5)
VARIANTS = tuple(f"fold-{fold}" for fold in FOLDS)


@refuses_unknown
def open_esc50(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """One split; variant `fold-k` tests on fold k (fold 1 where there is no variant) and trains on the other four.

    There is no validation split.

    Raises:
        UserError: the table is missing, empty or damaged, or does not number its classes from 0.

    """
    table = needed(require_folder(folder), "meta/esc50.csv")
    if wanted.variant is not None and wanted.variant not in VARIANTS:
        raise UserError(f"{folder}: esc50 has no variant {wanted.variant!r}; known: {', '.join(VARIANTS)}.")
    if split == "val":
        return None
    tested = VARIANTS.index(wanted.variant) + 1 if wanted.variant else 1
    rows = _rows(table)
    classes = {target: category for *_, target, category in rows}
    if sorted(classes) != list(range(len(classes))) or len(set(classes.values())) != len(classes):
        raise UserError(f"{table}: must number its categories (column target) from 0, without gaps; restore the file.")
    for line, _, _, target, category in rows:
        if classes[target] != category:
            raise UserError(f"{table}: line {line} calls target {target} {category!r}, another line {classes[target]!r}.")
    chosen = [(name, target) for _, name, fold, target, _ in rows if (fold == tested) == (split == "test")]
    if not chosen:
        raise UserError(f"{table}: lists no sounds for the split {split} of fold {tested}; restore the file.")
    require_unique([name for _, name, *_ in rows], table)
    names = inside(folder, [f"audio/{name}" for name, _ in chosen], table)
    return SoundItems(
        folder, table, names, [[target] for _, target in chosen], [classes[label] for label in sorted(classes)], wanted
    )


def _rows(table: Path) -> list[tuple[int, str, int, int, str]]:
    """Number, file name, fold, target and category of each line."""
    rows = []
    for line, row in read_rows(table):
        try:
            name, fold, target, category = row["filename"], int(row["fold"]), int(row["target"]), row["category"]
        except (KeyError, ValueError) as error:
            raise UserError(f"{table}: line {line} has no filename, fold, target and category; restore the file.") from error
        if fold not in FOLDS or not category:
            raise UserError(f"{table}: line {line} is in fold {fold} with the category {category!r}; restore the file.")
        rows.append((line, name, fold, target, category))
    return rows


_FACTS = DatasetFacts(1_600, None, 400, 50, "ESC-50 (doi 10.1145/2733373.2806390): training on four folds of 400")

DATASET = DatasetSpec(
    open=open_esc50,
    require_possible=lambda wanted: require_sounds("esc50", wanted, None, *VARIANTS),
    facts=dict.fromkeys((None, *VARIANTS), _FACTS),
    never_validates=True,
)

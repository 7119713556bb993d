"""AudioSet (and data sets in its layout) in the manifests of AST and AudioMAE, next to `class_labels_indices.csv`."""

from pathlib import Path

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.audio.decoding.manifest import CLASSES, read_classes, read_entries, read_entry
from m2pt.modalities.audio.items import SoundItems, inside, require_sounds
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.listings import require_unique
from m2pt.modalities.shared.missing import advice
from m2pt.modalities.shared.wanted import Split, Wanted

TRAIN: dict[str | None, tuple[str, ...]] = {
    None: ("train.json", "train_data.json", "train_cleaned.json", "balanced_train_data.json"),
    "balanced": ("balanced_train_data.json", "train.json"),
    "unbalanced": ("unbalanced_train_data.json",),
    "full": ("whole_train_data.json", "train_all.json"),
}
"""The manifest of the training split for each variant: AST's names, AudioMAE's, whose `train.json` is the balanced one, and
M2PT's (`train_cleaned.json`, `eval_cleaned.json`). If a folder holds several of them, the variant must say which one.

`full` is AudioSet-2M: balanced and unbalanced together. A variant that ends in `.json` is itself the name of the manifest.
"""

VAL = ("val.json", "val_data.json", "valid_data.json")
TEST = ("test.json", "eval.json", "eval_data.json", "eval_19k.json", "eval_cleaned.json")


@refuses_unknown
def open_audioset(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """One split of the manifests in `folder`; paths in them are relative to it, or absolute and inside of it.

    Tagging takes any number of labels, separated by commas; classification takes one. AudioSet has no validation split;
    one is read if the folder has it.

    Raises:
        UserError: a manifest or the table of classes is missing, ambiguous, empty or damaged, or an entry has unknown labels.

    """
    require_folder(folder)
    named = str(wanted.variant)
    if wanted.variant not in TRAIN and (not named.endswith(".json") or "/" in named):
        known = ", ".join(str(name) for name in TRAIN if name)
        raise UserError(f"{folder}: audioset has no variant {wanted.variant!r}; known: {known}, or the name of a manifest.")
    candidates = {"train": TRAIN.get(wanted.variant, (named,)), "val": VAL, "test": TEST}[split]
    manifest = _manifest(folder, candidates, required=split != "val")
    if manifest is None:
        return None
    by_mid, classes = read_classes(folder / CLASSES)
    names: list[str] = []
    labels: list[list[int]] = []
    for number, entry in enumerate(read_entries(manifest)):
        name, mids = read_entry(entry, number, manifest)
        given = mids.split(",")
        unknown = [mid for mid in given if mid not in by_mid]
        if unknown:
            raise UserError(f"{manifest}: data[{number}] has the label {unknown[0]!r}, which {CLASSES} does not name.")
        if wanted.goal == "classification" and len(given) > 1:
            raise UserError(
                f"{manifest}: data[{number}] has {len(given)} labels; classification takes one, the goal tagging many."
            )
        names.append(name)
        labels.append(sorted({by_mid[mid] for mid in given}))
    if not names:
        raise UserError(f"{manifest}: lists no sounds; restore the file.")
    names = inside(folder, names, manifest)
    require_unique(names, manifest)
    return SoundItems(folder, manifest, names, labels, classes, wanted)


def _manifest(folder: Path, candidates: tuple[str, ...], *, required: bool) -> Path | None:
    manifests = [folder / name for name in candidates if (folder / name).is_file()]
    if len(manifests) > 1:
        names = " and ".join(path.name for path in manifests)
        raise UserError(f"{folder}: holds {names}, which may both list this split; keep one, or name it by the task's variant.")
    if not manifests and required:
        raise UserError(
            f"{folder / candidates[0]}: is missing (as is any of {', '.join(candidates)}); this split is listed there"
            f"{next(filter(None, (advice(folder, name) for name in candidates)), '')}."
        )
    return manifests[0] if manifests else None


def _require_possible(wanted: Wanted) -> None:
    manifest = [wanted.variant] if str(wanted.variant).endswith(".json") else []
    require_sounds("audioset", wanted, *TRAIN, *manifest)


# AudioSet's site says 22,176 and 20,383; the lists have these. Every download has fewer: clips vanish from YouTube.
_20K = DatasetFacts(22_160, None, 20_371, 527, "AudioSet, heads of balanced_train_segments.csv and eval_segments.csv")
_2M = DatasetFacts(22_160 + 2_041_789, None, 20_371, 527, "AudioSet, heads of its three lists of segments")

DATASET = DatasetSpec(open=open_audioset, require_possible=_require_possible, facts={None: _20K, "balanced": _20K, "full": _2M})

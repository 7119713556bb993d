"""Speech Commands v2 (arXiv 1804.03209) as it is published: a folder of WAV files per word, and two lists."""

from pathlib import Path

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.audio.items import SoundItems, require_sounds
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.listings import read_lines, require_unique
from m2pt.modalities.shared.missing import needed, spelling
from m2pt.modalities.shared.wanted import Split, Wanted

LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}


@refuses_unknown
def open_speech_commands(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """One split: what a list names (`word/file.wav`), or for training what none of them names.

    The words are the folders in alphabetical order (35 in version 2), without `_background_noise_`.

    Raises:
        UserError: a list is missing, empty or damaged, or names an unknown word; or there is no sound.

    """
    if wanted.variant is not None:
        raise UserError(f"{folder}: speech-commands has no variants, {wanted.variant!r} is asked for; leave it out.")
    for file in LISTS.values():
        needed(require_folder(folder), file)
    words = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    if not words:
        raise UserError(f"{folder}: holds no folders of words; unpack the data set there.")
    _require_sounds(folder, words)
    listed = {name: _listed(folder / file, set(words)) for name, file in LISTS.items()}
    both = set(listed["val"]) & set(listed["test"])
    if both:
        raise UserError(f"{folder}: {min(both)!r} is in both {' and '.join(LISTS.values())}; restore the lists.")
    if split == "train":
        apart, every = {*listed["val"], *listed["test"]}, _sounds(folder, words)
        for name in sorted(apart - set(every)):
            if said := spelling(folder, name):  # that file would be taken for one to train with
                raise UserError(f"{folder / name}: is missing, though one of {' and '.join(LISTS.values())} lists it{said}.")
        names, listed_in = [name for name in every if name not in apart], folder
    else:
        names, listed_in = listed[split], folder / LISTS[split]
    if not names:
        raise UserError(
            f"{folder}: holds no sounds for training besides those of {' and '.join(LISTS.values())}; unpack it again."
        )
    label_of = {word: label for label, word in enumerate(words)}
    return SoundItems(folder, listed_in, names, [[label_of[name.split("/")[0]]] for name in names], words, wanted)


def _require_sounds(folder: Path, words: list[str]) -> None:
    """Refuse a folder without sounds: it would count as a word, and no fingerprint of the data sees it."""
    for word in words:
        if not any(path.name[0] != "." for path in (folder / word).iterdir()):
            raise UserError(
                f"{folder / word}: holds no sounds, and each folder is a class; unpack them there or remove the folder."
            )


def _sounds(folder: Path, words: list[str]) -> list[str]:
    """All `word/file.wav`, in the order of their names."""
    sounds = []
    for word in words:
        for path in (folder / word).iterdir():
            if path.name[0] == ".":
                continue
            if path.suffix.lower() != ".wav":
                raise UserError(f"{path}: is not a WAV file; remove it from the folder of a word.")
            sounds.append(f"{word}/{path.name}")
    return sorted(sounds)


def _listed(path: Path, words: set[str]) -> list[str]:
    names = []
    for line, name in read_lines(path):
        word, _, file = name.partition("/")
        if word not in words or not file.lower().endswith(".wav") or "/" in file:
            raise UserError(
                f"{path}: line {line} ({name!r}) is not `word/file.wav` with one of the folders of words; restore it."
            )
        names.append(name)
    require_unique(names, path)
    return names


DATASET = DatasetSpec(
    open=open_speech_commands,
    require_possible=lambda wanted: require_sounds("speech-commands", wanted, None),
    facts={None: DatasetFacts(84_843, 9_981, 11_005, 35, "Speech Commands V2 (arXiv 1804.03209), its lists")},
)

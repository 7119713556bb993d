"""Readers of published audio data sets by name."""

from m2pt.config import Dataset, UserError, refuses_unknown
from m2pt.modalities.audio.datasets.audioset import TRAIN, open_audioset
from m2pt.modalities.audio.datasets.esc50 import FOLDS, open_esc50
from m2pt.modalities.audio.datasets.speech_commands import open_speech_commands
from m2pt.modalities.audio.items import sections
from m2pt.modalities.shared.items import Reader, Wanted

READERS: dict[Dataset, Reader] = {
    "audioset": open_audioset,
    "esc50": open_esc50,
    "speech-commands": open_speech_commands,
}

VARIANTS: dict[Dataset, tuple[str | None, ...]] = {
    "audioset": tuple(TRAIN),
    "esc50": (None, *(f"fold-{fold}" for fold in FOLDS)),
    "speech-commands": (None,),
}


@refuses_unknown
def require_possible(dataset: Dataset, wanted: Wanted) -> None:
    """Look at what is wanted of a data set, without its files. Raises `UserError` where it cannot be had, whatever they hold."""
    sections(dataset, wanted)
    manifest = dataset == "audioset" and str(wanted.variant).endswith(".json")
    if wanted.variant not in VARIANTS[dataset] and not manifest:
        known = ", ".join(str(name) for name in VARIANTS[dataset] if name) or "none"
        raise UserError(f"tasks: the data set {dataset} has no variant {wanted.variant!r}; known: {known}.")

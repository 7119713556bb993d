"""How many samples the splits of the embedded data sets have, and of how many classes."""

from m2pt.config import EmbeddedData
from m2pt.config.base import FaultyKeysError
from m2pt.modalities.shared.listed import SPLITS

NUM_CLASSES = 10


def split_sizes(sizes: EmbeddedData) -> dict[str, int]:
    """How many samples each split gets.

    Raises:
        UserError: a split could not hold one sample of each class.

    """
    counts: dict[str, int] = {split: getattr(sizes, split) for split in SPLITS}
    few = {split: count for split, count in counts.items() if count < NUM_CLASSES}
    if few:
        advice = f"too few for {NUM_CLASSES} classes; give {NUM_CLASSES} or more"
        raise FaultyKeysError([f"data.embedded.{split}: {count} is {advice}" for split, count in few.items()])
    return counts

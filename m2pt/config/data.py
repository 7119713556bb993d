"""Where the data are."""

from m2pt.config.base import Frozen, Positive, Seed


class EmbeddedData(Frozen):
    """Sizes of the embedded data sets, the same for each modality."""

    seed: Seed = 0
    """Seed of the generated samples."""
    pretrain: Positive = 3000
    """Samples of the pretraining split."""
    train: Positive = 1000
    """Samples of the training split."""
    val: Positive = 500
    """Samples of the validation split."""
    test: Positive = 1000
    """Samples of the test split."""


class DataConfig(Frozen):
    """Where the data are, and how to make them if they are embedded."""

    root: str = "data"
    """Folder of the data: `<root>/<modality>` of a modality, `<root>/<path>` of a task."""
    embedded: EmbeddedData | None = None
    """Sizes of the embedded data sets; without the section nothing is generated."""

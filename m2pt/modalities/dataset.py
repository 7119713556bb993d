"""Published data sets: each is one file in a modality's `datasets` folder, which declares it as `DATASET`."""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

from m2pt.config import Modality, UserError
from m2pt.modalities.shared.wanted import Reader, Wanted


@dataclass(frozen=True)
class DatasetFacts:
    """The number of samples in each split as published (None if the split does not exist), and of classes.

    `classes` counts what is predicted: categories, tags, part labels or pixel labels. `categories` counts the object categories
    that a part segmentation is given as input. Published scores are those of `test`; if a data set has no labelled test split,
    its validation split serves as test and is counted there.
    """

    train: int
    val: int | None
    test: int
    classes: int
    source: str
    categories: int = 0


@dataclass(frozen=True)
class DatasetSpec:
    """One published data set.

    `open` lists a split and reads its samples. `require_possible` checks what a task asks of the data set without its files: it
    raises `UserError` if no files could provide that. `facts` has the sizes of the complete data set by variant: the basis of
    every cost estimate. `never_validates` says that it has no validation data of its own, whatever is in its folder. A plugin's
    data set, which is in no modality's folder, names the `modality` of its samples.
    """

    open: Reader
    require_possible: Callable[[Wanted], None]
    facts: Mapping[str | None, DatasetFacts] = field(default_factory=dict)
    never_validates: bool = False
    modality: Modality | None = None


@dataclass(frozen=True)
class DatasetFolder(Mapping[str, DatasetSpec]):
    """The data sets of a folder by name, one file each: `speech_commands.py` declares `speech-commands`.

    A file is imported when its data set is requested.
    """

    package: ModuleType

    def __iter__(self) -> Iterator[str]:
        return (module.name.replace("_", "-") for module in pkgutil.iter_modules(self.package.__path__))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)

    def __getitem__(self, name: str) -> DatasetSpec:
        if name not in self:
            raise KeyError(name)
        module = f"{self.package.__name__}.{name.replace('-', '_')}"
        declared = getattr(import_module(module), "DATASET", None)
        if not isinstance(declared, DatasetSpec):
            raise TypeError(f"{module}: declares no DATASET; add it, or move the file out of this folder")
        return declared


def require_variant(dataset: str, wanted: Wanted, *known: str | None) -> None:
    """Refuse a variant that a data set does not have; `known` are those it has, including None if it can be left out.

    Raises:
        UserError: the variant is not known; the message lists the known ones.

    """
    if wanted.variant not in known:
        listed = ", ".join(name for name in known if name) or "none"
        fault = "needs a variant" if wanted.variant is None else f"has no variant {wanted.variant!r}"
        raise UserError(f"tasks: the data set {dataset} {fault}; known: {listed}.")

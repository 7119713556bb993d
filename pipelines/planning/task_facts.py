"""How many samples and classes the data set of a task has: as published, or as one's own files are listed now."""

import functools
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import FilesConfig, Modality, Study, UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts
from m2pt.modalities.registry import SPECS, dataset_facts
from m2pt.runs.spec import RunSpec
from pipelines.planning.folders import data_folder

if TYPE_CHECKING:
    from m2pt.modalities.own.described import Described


def facts_of(study: Study, spec: RunSpec) -> DatasetFacts | None:
    """The sizes of a run's data set; None where they are not known, and for a run on small data."""
    if spec.task is None:
        return None
    if spec.task.files is None:
        return dataset_facts(spec.task.dataset, spec.task.variant)
    return _of_files(spec.modality, data_folder(study, spec.target), spec.task.files, spec.data_sha256)


def own_files(study: Study, targets: Iterable[str]) -> "dict[str, Described | None]":
    """What the files are of the targets that are a user's own data; None for files that are not there, or not of a known form."""
    from m2pt.modalities.own.described import described  # with torch, which a plan does without

    known: dict[str, Described | None] = {}
    for target in targets:
        task = study.tasks.get(target)
        if task is None or task.files is None:
            continue
        try:
            known[target] = described(data_folder(study, target), task.files, SPECS[task.modality].own())
        except UserError:
            known[target] = None
    return known


def doubtful(study: Study) -> list[str]:
    """A sentence for each target with equal files of different labels; files that cannot be listed are told of elsewhere."""
    sentences = []
    for target in study.sweep.targets:
        task = study.tasks.get(target)
        if task is None or task.files is None:
            continue
        from m2pt.modalities.own.dataset import contradicted, contradictions

        with suppress(UserError):
            pairs = contradictions(data_folder(study, target), task.files, SPECS[task.modality].own().suffixes)
            sentences += [f"{target}: {words}" for words in (contradicted(pairs),) if words is not None]
    return sentences


@functools.lru_cache(maxsize=64)
@refuses_unknown
def _of_files(modality: Modality, folder: Path, config: FilesConfig, data_sha256: str) -> DatasetFacts | None:
    from m2pt.modalities.own.dataset import split_files
    from m2pt.modalities.own.listing import classes_of

    del data_sha256  # other content, other facts
    try:
        files, splits = split_files(folder, config, SPECS[modality].own().suffixes)
    except UserError:  # said where it is looked for what cannot start
        return None
    counts = Counter(splits)
    return DatasetFacts(counts["train"], counts["val"] or None, counts["test"], len(classes_of(files)), f"the files in {folder}")

"""What the lists of a user's own small data say, before anything is decoded or trained: their splits, classes and numbers."""

import functools
from pathlib import Path

from m2pt.config import InputConfig, Modality, UserError
from m2pt.modalities.registry import SPECS
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.training.startable import Known
from pipelines.planning.folders import data_folder
from pipelines.planning.plan import Plan

Counted = int | str
"""How many samples a split has, or what is wrong with it."""


class SmallData:
    """The splits of the small data of a plan, each looked at once.

    Embedded data are not looked at: they are as declared, or are made anew.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._is_own = plan.study.data.embedded is None
        self._count = functools.lru_cache(maxsize=None)(_count)

    def of_run(self, spec: RunSpec) -> Known | str:
        """How many samples a run on small data has, as far as is known, or what is wrong with its data."""
        sizes = self._plan.study.data.embedded
        if sizes is not None:
            return Known(sizes.train, sizes.val)
        counts = [self._split(spec.target, spec.modality, split, spec.input) for split in ("train", "val", "test")]
        if spec.auxiliary_data is not None:
            counts.append(self._split(spec.auxiliary, spec.auxiliary, "train", spec.auxiliary_data.input))
        wrong = [count for count in counts if isinstance(count, str)]
        return wrong[0] if wrong else Known(*(count if isinstance(count, int) else None for count in counts[:2]))

    def of_pretraining(self, spec: PretrainSpec) -> str | None:
        """What is wrong with the data of a pretraining; None if nothing is, or if it reads none."""
        splits = ("pretrain", "val") if spec.reads_data and self._is_own else ()
        counts = [self._split(spec.modality, spec.modality, split, spec.input) for split in splits]
        return next((count for count in counts if isinstance(count, str)), None)

    def _split(self, key: str, modality: Modality, split: str, config: InputConfig) -> Counted | None:
        """None while the data are missing, which is said elsewhere."""
        if key in self._plan.missing_data:
            return None
        return self._count(modality, data_folder(self._plan.study, key), split, config)


def _count(modality: Modality, folder: Path, split: str, config: InputConfig) -> Counted:
    try:
        return len(SPECS[modality].small_lists(folder, split, config).labels)
    except UserError as error:
        return str(error)

"""A complete run for notebooks and scripts, with its model."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from m2pt.runs.record import FinetuneRecord
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_histories

if TYPE_CHECKING:
    from m2pt.inference.trained import Trained


class LoadedRun:
    """A complete fine-tuning run: `folder`, `spec` (what it was), `record` (how it ended), and its model."""

    def __init__(self, folder: Path, spec: RunSpec, record: FinetuneRecord) -> None:
        self.folder = folder
        self.spec = spec
        self.record = record

    @property
    def id(self) -> str:
        """Its id, which is the name of its folder."""
        return self.folder.name

    @property
    def history(self) -> pd.DataFrame:
        """Its epochs: `run_id`, `epoch` and one column per metric. Raises `UserError` where the file is damaged."""
        return read_histories([self.folder])

    @property
    def sample_scores(self) -> "pd.Series[float] | pd.Series[bool] | None":
        """What each test sample scored, in the order of the split: right or wrong, or a fraction of 1.

        None for scores that are no mean over samples. Raises `UserError` where the file is damaged.
        """
        scores = read_sample_scores(self.folder, self.record)
        return None if scores is None else pd.Series(scores, name=self.id)

    @cached_property
    def model(self) -> "Trained":
        """The model that its test score is of: `.model` (a plain `torch.nn.Module`, on the CPU), `.classes`, `.spec`.

        Raises:
            UserError: its weights are gone or damaged, or its method leaves no plain model.

        """
        from m2pt.inference.trained import trained

        return trained(self.folder)

    def predict(self, *files: str | Path) -> pd.DataFrame:
        """The scores (in [0, 1]) of raw files, read as the run's own test samples: a row per sample, a column per class.

        Raises:
            UserError: as `model`; or a file cannot be read.

        """
        from m2pt.inference.predict import predict

        scored = list(predict(self.model, [Path(file) for file in files]))
        table = pd.DataFrame([item.scores for item in scored], columns=list(self.model.classes), dtype=float)
        return table.set_axis(pd.Index([item.name for item in scored], name="file"), axis=0)

    def __repr__(self) -> str:
        return f"<run {self.id}: test {self.record.test_score:.2f} %>"

"""A study for notebooks and scripts: its numbers as tables, its figures, and its runs with their models.

What is computed is what the report shows, from the same code. Reading numbers is a look at the results, and noted as one
(`m2pt.runs.looks`).
"""

from collections.abc import Iterator, Sequence
from contextlib import chdir
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_histories
from pipelines.notebook.run import LoadedRun
from pipelines.planning.looks import cannot_note, note_look
from pipelines.planning.plan import resolve
from pipelines.planning.study_file import load
from pipelines.reporting.rendering import source_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from m2pt.analysis.sections.facts import Facts


class LoadedStudy:
    """A study as it is on the disk now; load it again to see what has changed. `config` is the study file.

    Every table is one of pandas, with scores in percent and gains in percentage points, unrounded.
    """

    def __init__(self, config: Study, root: Path) -> None:
        self.config = config
        self._root = root

    @property
    def runs(self) -> pd.DataFrame:
        """One row per planned run, with the columns of `results.csv` (`m2pt.read_runs`)."""
        return self._facts.analysis.table.copy()

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell (the runs that differ by draw alone): mean scores with 95 % intervals."""
        from m2pt.analysis.tables.frames import cell_table

        return cell_table(self._facts.analysis.cells)

    @cached_property
    def gains(self) -> pd.DataFrame:
        """One row per cell and reference: the paired gain with its 95 % interval, and whether it is shown."""
        from m2pt.analysis.tables.frames import gain_table

        return gain_table(self._facts.cells, self._facts.analysis.summaries)

    @cached_property
    def histories(self) -> pd.DataFrame:
        """The epochs of all complete runs: `run_id`, `epoch` and one column per metric, scales among them."""
        return read_histories([run.folder for run in self])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What each test sample scored in each complete run: `run_id`, `sample` (its place in the split), `score` (of 1).

        Where the score is accuracy, 1 is right and 0 is wrong. Runs whose score is no mean over samples have no rows.
        """
        known = [(run.id, scores.to_numpy(dtype=float)) for run in self if (scores := run.sample_scores) is not None]
        counts = [len(scores) for _, scores in known]
        return pd.DataFrame(
            {
                "run_id": np.repeat([name for name, _ in known], counts),
                "sample": np.concatenate([np.arange(count) for count in counts]) if counts else [],
                "score": np.concatenate([scores for _, scores in known]) if counts else [],
            }
        )

    @cached_property
    def figures(self) -> "dict[str, Figure]":
        """The figures of the report by name, such as `matrix-pretrained-full`, as objects of matplotlib."""
        return {picture.name: picture.drawn for picture in self._facts.pictures}

    def run(self, name: str) -> LoadedRun:
        """The complete run of this id, or of the only id that begins so.

        Raises:
            UserError: there is none, or there are several.

        """
        names = [str(known) for known in self._complete["run_id"]]
        matching = [name] if name in names else [known for known in names if known.startswith(name)]
        if len(matching) != 1:
            several = (
                f"{len(matching)} complete runs of {self.config.study} begin so" if matching else "no complete run has this id"
            )
            raise UserError(f"{name}: {several}; `runs` lists them.")
        return self._loaded(matching[0])

    def __iter__(self) -> Iterator[LoadedRun]:
        """The complete runs, in the order of `runs`."""
        return (self._loaded(str(name)) for name in self._complete["run_id"])

    def __len__(self) -> int:
        """How many runs are complete."""
        return len(self._complete)

    def __repr__(self) -> str:
        return f"<study {self.config.study}: {len(self)} of {len(self._facts.analysis.table)} runs are complete>"

    @property
    def _complete(self) -> pd.DataFrame:
        table = self._facts.analysis.table
        return table[table["status"] == RunState.COMPLETE.value]

    def _loaded(self, name: str) -> LoadedRun:
        folder, spec = self._by_id[name]
        return LoadedRun(folder, spec, self._facts.analysis.records[name])

    @cached_property
    def _by_id(self) -> dict[str, tuple[Path, RunSpec]]:
        source = self._facts.source
        names: Sequence[str] = [str(name) for name in self._facts.analysis.table["run_id"]]
        return {name: (self._root / source.runs / name, spec) for name, spec in zip(names, source.specs, strict=True) if name}

    @cached_property
    def _facts(self) -> "Facts":
        """All that the report shows; to have it is a look at the results."""
        from m2pt.analysis.sections.facts import gather

        with chdir(self._root):
            plan = resolve(self.config)
            facts = gather(source_of(plan))
            if cannot_note(plan) is None:
                note_look(plan)
            return facts


def load_study(path: str | Path, root: str | Path = ".") -> LoadedStudy:
    """A study with all that its runs left behind, as they are now.

    A run whose files are damaged is `failed`, as it is in the report; `runs` says why in its column `error`.

    Args:
        path: its study file, such as `params.yaml`; from `root` on, unless it is absolute.
        root: the folder in which its commands are called, where its `runs/` is.

    Raises:
        UserError: the file is missing or wrong.

    """
    folder = Path(root).absolute()
    if not folder.is_dir():
        raise UserError(f"{root}: is no folder; name the one in which the commands of the study are called.")
    with chdir(folder):
        return LoadedStudy(load(Path(path)), folder)

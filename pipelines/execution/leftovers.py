"""What killed processes have left in the folders of a study, which its next start removes."""

import os
from contextlib import suppress
from pathlib import Path

from m2pt.data.fingerprints import CACHE
from m2pt.files.documents import half_written
from m2pt.files.leftovers import remove_old
from m2pt.runs.folder import CHECKPOINT, INPUTS, LOCK, SPEC, is_complete
from pipelines.planning.folders import encoders_folder, runs_folder
from pipelines.planning.plan import Plan

_BUILD = Path("build")


def remove_leftovers(plan: Plan) -> None:
    """Remove half-written files, checkpoints of complete runs and markers of leases; call it while the study's lock is held.

    What only the holder of that lock writes goes at once, and what others may be writing when it has not changed for an hour. A
    run's own files are the business of its job, which begins with them.
    """
    for run_dir in filter(None, map(plan.run_dir, plan.unfinished(plan.specs))):
        for path in half_written([run_dir / SPEC, run_dir / INPUTS]):
            with suppress(OSError):
                path.unlink()
    for run_dir in (run_dir for run_dir in map(plan.run_dir, plan.specs) if run_dir is not None and is_complete(run_dir)):
        with suppress(OSError):
            os.unlink(f"{run_dir}/{CHECKPOINT}")  # noqa: PTH108  # of thousands of runs
    remove_old(marker for run_dir in map(plan.run_dir, plan.specs) if run_dir is not None for marker in _markers(run_dir))
    remove_old(path for folder in (runs_folder, encoders_folder) for path in folder(plan.study).glob(".seen-*"))
    reports = _BUILD / plan.study.study
    remove_old([*CACHE.rglob("*"), *_BUILD.glob(".*"), *reports.rglob(".*"), *Path("reports").rglob(".*")])


def _markers(run_dir: Path) -> list[Path]:
    """The marker of a run's lease, and those that were about to replace it."""
    place, _, name = f"{run_dir}/{LOCK}".rpartition("/")
    try:
        with os.scandir(place) as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(name)]
    except OSError:
        return []

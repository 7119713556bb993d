"""All that can be removed from a project's folder, what takes space in it, and the locks that keep studies from running."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.looks import LOOKS
from pipelines.execution.process_environment import STATE
from pipelines.housekeeping import decoded, runs, slurm_jobs
from pipelines.housekeeping.garbage import REMOVED, Garbage, Kind, Listing, children, folders
from pipelines.housekeeping.sizes import space_of
from pipelines.planning.folders import aside_of, encoders_folder, replaced_of, runs_folder, study_lock
from pipelines.planning.plan import Plan

_LOCKED = (Path("runs"), Path("build"))
"""Where the markers of studies are (`study_lock`), next to the folders of those that have run."""

_MARKER = re.compile(rf"\.(?!{re.escape(LOOKS)})(.+)\.lease")
"""The names of these markers; the journal of looks has one too, next to those of the runs."""


def garbage(plan: Plan, kinds: Sequence[Kind]) -> Listing:
    """What can be removed, of these kinds, and what is left alone."""
    from pipelines.housekeeping import mlflow_runs, prefect_history  # with MLflow and Prefect, which `space` does without

    looks = {
        Kind.RUNS: lambda: runs.put_aside(plan),
        Kind.CHECKPOINTS: lambda: runs.interrupted_writes(plan),
        Kind.CACHE: decoded.decoded_data,
        Kind.SLURM: slurm_jobs.ended_jobs,
        Kind.MLFLOW: mlflow_runs.mlflow_runs,
        Kind.PREFECT: prefect_history.prefect_history,
    }
    listing = Listing()
    for kind in (kind for kind in Kind if kind in kinds):
        listing += looks[kind]()
    return listing


@contextmanager
def no_study_runs(study: Study) -> Iterator[None]:
    """Hold the locks of this study and of every other one that has run in this folder.

    Raises:
        UserError: a study is running; the sentence names it.

    """
    places = [runs_folder(study)]
    for home in _LOCKED:
        names = [match[1] for path in children(home) if (match := _MARKER.fullmatch(path.name))]
        names += [path.name for path in folders(children(home)) if not path.name.startswith(".")]
        places += [home / name for name in names]
    with ExitStack() as stack:
        for place in dict.fromkeys(places):
            stack.enter_context(study_lock(place))
        yield


def remove(items: Sequence[Garbage]) -> list[str]:
    """Remove things in their order; returns a sentence for each that could not be. A database that stays keeps its files."""
    faults: list[str] = []
    for item in items:
        try:
            item.remove()
        except UserError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(f"{item.name}: cannot be removed ({error.strerror}).")
    return faults


def space(study: Study) -> list[tuple[str, int]]:
    """What takes space in this folder, in words, with its bytes; what two places share counts for the first."""
    own, encoders = runs_folder(study), encoders_folder(study)
    aside = [place(folder).parent for folder in (own, encoders) for place in (aside_of, replaced_of)]
    aside += [folder.parent / REMOVED for folder in (own, encoders)]
    others = [path for home in (own.parent, encoders.parent) for path in folders(children(home)) if path not in (own, encoders)]
    places = {
        f"runs and encoders of {study.study} ({own}, {encoders})": [own, encoders],
        "runs that were put aside (runs/.aside, .replaced; encoders/...)": aside,
        "other studies' runs and encoders": others,
        "decoded data, logs (.m2pt)": [STATE],
        "MLflow (mlflow.db, mlartifacts)": [*sorted(Path().glob("mlflow.db*")), Path("mlartifacts")],
        "Prefect (.prefect)": [Path(".prefect")],
        "DVC's cache (.dvc/cache; `dvc gc` frees it)": [Path(".dvc/cache")],
    }
    seen: set[tuple[int, int]] = set()
    return [(words, size) for words, paths in places.items() if (size := space_of(paths, seen))]

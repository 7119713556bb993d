"""Runs that a study no longer declares are put aside, and come back when it declares them again. Nothing is ever deleted.

Without this, the folders of a study would depend on what its file declared before.
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.folder import is_complete, recipe_version, without_remedy
from m2pt.runs.identity import RECIPE_VERSION
from pipelines.planning.folders import aside_of, encoders_folder, replaced_of, runs_folder
from pipelines.planning.plan import Plan, is_being_done
from pipelines.planning.search_journal import JOURNAL, fault_alone, journal_fault


def bring_back(plan: Plan) -> Counter[Path]:
    """Bring declared runs back from aside unless a complete run of the same id is in place; returns how many, by folder.

    An encoder that came back may give others their ids: look at the disk again and call this until nothing comes back.
    """
    counts: Counter[Path] = Counter()
    for run_dir in _placed(plan):
        kept = aside_of(run_dir.parent) / run_dir.name
        if not kept.is_dir() or is_complete(run_dir) or is_being_done(run_dir):
            continue
        if run_dir.exists():
            if not is_complete(kept):
                continue
            run_dir.rename(_spare(run_dir))  # it holds less than the run aside
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        kept.rename(run_dir)
        counts[run_dir.parent] += 1
    return counts


def put_aside(plan: Plan) -> Counter[tuple[Path, str]]:
    """Move runs aside that the study does not declare; returns how many, by folder and by what they are.

    While a declared run has no id, because data or an encoder are missing, runs of its name stay: one of them may be it.
    """
    counts: Counter[tuple[Path, str]] = Counter()
    for path in (path for path in undeclared(plan) if not is_being_done(path)):
        counts[path.parent, _what(path)] += 1
        _put(path, aside_of(path.parent))
    return counts


def undeclared(plan: Plan) -> list[Path]:
    """The folders of runs that the study does not declare, as far as that can be known: see `put_aside`."""
    out = []
    for folder, specs in ((encoders_folder(plan.study), plan.pretrain), (runs_folder(plan.study), plan.runs)):
        wanted = {run_dir.name for spec in specs if (run_dir := plan.run_dir(spec)) is not None}
        unsure = {spec.name for spec in specs if not plan.is_ready(spec)}
        out += [folder / name for name in _folders(folder) - wanted if name.rpartition("-")[0] not in unsure]
    return sorted(out)


def _what(run_dir: Path) -> str:
    """Why a run is none of the study's, which may declare it as it was: what changes numbers raises the version of recipes."""
    with suppress(UserError):
        if (version := recipe_version(run_dir)) != RECIPE_VERSION:
            return f"of version {version} of the recipes (this is {RECIPE_VERSION})"
    return "that the study no longer declares"


def replace(run_dirs: Iterable[Path]) -> dict[Path, Path]:
    """Move runs away that are to be run again; returns where each is now."""
    places = {run_dir: _spare(run_dir) for run_dir in run_dirs}
    for run_dir, place in places.items():
        run_dir.rename(place)
    return places


def replace_damaged(plan: Plan) -> list[str]:
    """Move complete runs with a damaged file away, so that they are done again; returns a sentence for each."""
    damaged = {run_dir: why for run_dir, why in plan.damaged.items() if not is_being_done(run_dir)}
    return [
        f"{without_remedy(damaged[run_dir], run_dir)}: the run was moved to {place}, and is done again."
        for run_dir, place in replace(damaged).items()
    ]


def replace_damaged_journal(study: Study) -> str | None:
    """Move a damaged journal of a search away, so that its trials are proposed again; returns a sentence if there was one."""
    if study.search is None or (fault := journal_fault(folder := runs_folder(study))) is None:
        return None
    place = replace([folder / JOURNAL])[folder / JOURNAL]
    return f"{fault_alone(fault)}: it was moved to {place}, and the same trials are proposed again."


def _placed(plan: Plan) -> list[Path]:
    return [run_dir for spec in plan.specs if (run_dir := plan.run_dir(spec)) is not None]


def _folders(folder: Path) -> set[str]:
    """The names of the folders in a folder, of which there may be thousands."""
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.is_dir()}


def _put(path: Path, aside: Path) -> None:
    """Put a run aside. If one of the same id is there, the one that holds less is replaced, or the older of two equals."""
    aside.mkdir(parents=True, exist_ok=True)
    target = aside / path.name
    if target.exists():
        less = path if is_complete(target) and not is_complete(path) else target
        less.rename(_spare(path))
    if path.exists():
        path.rename(target)


def _spare(run_dir: Path) -> Path:
    """A free place among the replaced runs of its folder: its name, or its name with a number."""
    folder = replaced_of(run_dir.parent)
    folder.mkdir(parents=True, exist_ok=True)
    names = itertools.chain([run_dir.name], (f"{run_dir.name}.{number}" for number in itertools.count(1)))
    return next(path for name in names if not (path := folder / name).exists())

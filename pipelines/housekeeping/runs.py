"""What can be removed of runs: those put aside, and what a kill left in the folders of the others."""

from collections.abc import Iterator
from pathlib import Path

from m2pt.config import GivenSource, UserError
from m2pt.files.documents import half_written
from m2pt.runs.folder import CHECKPOINT, INPUTS, SPEC, WRITTEN, is_complete, run_state
from m2pt.runs.identity import run_id
from pipelines.housekeeping.garbage import REMOVED, Kind, Listing, children, folders
from pipelines.housekeeping.sizes import in_words, size_of
from pipelines.planning.folders import aside_of, encoders_folder, replaced_of, runs_folder
from pipelines.planning.plan import Plan, is_being_done


def put_aside(plan: Plan) -> Listing:
    """Runs that the study does not declare, and those that were repeated elsewhere. What may still be wanted stays.

    A run that lies aside and is declared stays, because the next start brings it back. So does one that may turn out to be
    declared, while data or an encoder are missing, or while a search or a tuning goes on, and one whose weights the study names.
    """
    listing = Listing()
    for folder, stays in ((encoders_folder(plan.study), False), (runs_folder(plan.study), bool(plan.to_come))):
        specs = plan.pretrain if folder == encoders_folder(plan.study) else plan.runs
        wanted = {run_id(spec) for spec in specs if plan.is_ready(spec)}
        unsure = {spec.name for spec in specs if not plan.is_ready(spec)}
        kept = 0
        for path in _runs_in(aside_of(folder), listing):
            if path.name in wanted:
                continue
            if stays or path.name.rpartition("-")[0] in unsure:
                kept += 1
            else:
                _add(listing, plan, path, folder.parent, run_state(path))
        if kept:
            why = "a search or tuning may choose them again" if stays else "they may be declared once data and encoders exist"
            listing.left.append(f"{aside_of(folder)}: {kept} of its runs stay: {why}.")
        for path in _runs_in(replaced_of(folder), listing):
            _add(listing, plan, path, folder.parent, f"{run_state(path)}, was repeated or replaced")
        listing.add_rest(Kind.RUNS, folder.parent)
        listing.left += _of_other_studies(folder)
    return listing


def interrupted_writes(plan: Plan) -> Listing:
    """Checkpoints of complete runs, and files that were being written when their job was killed."""
    listing = Listing()
    for folder in (encoders_folder(plan.study), runs_folder(plan.study)):
        for run_dir in folders(children(folder)):
            if not (run_dir / SPEC).is_file() or is_being_done(run_dir):
                continue
            if is_complete(run_dir) and (run_dir / CHECKPOINT).is_file():
                listing.add_file(Kind.CHECKPOINTS, run_dir / CHECKPOINT, "of a complete run")
            for path in sorted(half_written([run_dir / name for name in (SPEC, INPUTS, *WRITTEN)])):
                if path.is_file() and not path.parent.is_symlink():
                    listing.add_file(Kind.CHECKPOINTS, path, "its writing was interrupted")
    return listing


def _runs_in(home: Path, listing: Listing) -> Iterator[Path]:
    """The folders of runs in one of those put aside; of the rest is said that it stays."""
    if home.is_symlink():
        listing.left.append(f"{home}: stays: it is a link, which is not followed.")
    for path in children(home):
        if path.is_symlink() or (path.is_dir() and not (path / SPEC).is_file()):
            listing.left.append(f"{path}: stays: {'it is a link' if path.is_symlink() else 'it is no run'}.")
        elif path.is_dir() and is_being_done(path):
            listing.left.append(f"{path}: stays: a job is working on it.")
        elif path.is_dir():  # files are journals of searches, which are small and hold what no run does
            yield path


def _add(listing: Listing, plan: Plan, path: Path, room: Path, note: str) -> None:
    used = [place for place in _weights(plan) if path.absolute() in (place.absolute(), *place.absolute().parents)]
    if used:
        listing.left.append(f"{path}: stays: the study reads its weights ({used[0]}).")
    else:
        listing.add_folder(Kind.RUNS, path, room, note, lambda: _idle(path))


def _idle(path: Path) -> None:
    if is_being_done(path):
        raise UserError(f"{path}: a job has begun to work on it; wait for it to end.")


def _weights(plan: Plan) -> list[Path]:
    declared = [source for source in plan.study.encoders.values() if isinstance(source, GivenSource)]
    return [*plan.weights.values(), *(Path(place) for source in declared for place in source.places.values())]


def _of_other_studies(folder: Path) -> Iterator[str]:
    for home in (aside_of(folder).parent, replaced_of(folder).parent):
        for other in folders(children(home)):
            if other.name not in (folder.name, REMOVED):
                words = f"{in_words(size_of(other).free)} of another study; name its file with --study to remove them"
                yield f"{other}: stays: {words}."

"""What can be removed of the jobs of SLURM: their scripts, results and output, once none of a study's is in its queue."""

from functools import partial

from m2pt.config import UserError
from pipelines.execution.slurm.queue import folder_of, queued
from pipelines.housekeeping.garbage import Kind, Listing, children, folders


def ended_jobs() -> Listing:
    """The folder of each study whose jobs have all ended; a run keeps its own log."""
    room = folder_of("")
    listing = Listing()
    for folder in folders(children(room)):
        if folder.name.startswith("."):
            continue
        try:
            _require_ended(folder.name)
        except UserError as error:
            listing.left.append(str(error))
            continue
        listing.add_folder(Kind.SLURM, folder, room, "", partial(_require_ended, folder.name))
    listing.add_rest(Kind.SLURM, room)
    return listing


def _require_ended(study: str) -> None:
    try:
        jobs = len(queued(study))
    except UserError as error:
        raise UserError(f"{folder_of(study)}: stays: {str(error).removeprefix('execution.engine: ')}") from error
    if jobs:
        raise UserError(f"{folder_of(study)}: stays: {jobs} of its jobs {'is' if jobs == 1 else 'are'} in SLURM's queue.")

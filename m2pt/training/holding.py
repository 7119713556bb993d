"""The lease of a run: held by the process that writes, for as long as it works on the run (`m2pt.files.leases`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2pt.files.documents import written_under
from m2pt.files.leases import leased
from m2pt.runs.folder import LOCK, WRITTEN
from m2pt.training.share import Share
from m2pt.training.stopping import Stop

_LOOK_S = 1.0
"""How often a job looks between its steps whether the run is still its own; before it writes it always does."""


@contextmanager
def held(run_dir: Path, share: Share, stop: Stop) -> Iterator[None]:
    """Hold the lease of a run in the process that writes; the others of a run on several devices follow it.

    A job that waits for the lease ends as soon as it is asked to stop. One that has lost it is asked to.

    Raises:
        LeaseHeldError: it was asked to stop while it waited.
        LeaseLostError: (from whatever writes a file of the run) another job may have taken over the run.
        UserError: the run's folder cannot be written.

    """
    if not share.leads:
        yield
        return
    with leased(run_dir / LOCK, lost=stop.ask, gives_up=lambda: stop.asked) as lease:
        with written_under(lease, [run_dir / name for name in WRITTEN]), stop.watching(lambda: not lease.ours(_LOOK_S)):
            yield

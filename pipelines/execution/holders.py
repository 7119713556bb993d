"""Who does a study, and who does a run: the process that holds its lease."""

from dataclasses import dataclass
from pathlib import Path

from m2pt.config import Study
from m2pt.files.markers import is_leased, owner_of, this_host
from m2pt.runs.folder import LOCK
from pipelines.planning.folders import runs_folder, study_marker


@dataclass(frozen=True)
class Holder:
    """A process: its id, and its host as the markers of leases name it."""

    pid: int
    host: str

    @property
    def host_name(self) -> str:
        """The host as people name it."""
        return self.host.partition("?")[0]

    @property
    def is_here(self) -> bool:
        """Whether its host is this one."""
        return self.host == this_host()

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host_name}"


def holder(marker: Path) -> Holder | None:
    """The process that holds the lease with this marker; None if nobody does, or somebody is only just taking it."""
    owner = owner_of(marker) if is_leased(marker) else None
    return None if owner is None else Holder(owner.pid, owner.hostname)


def holder_of_run(run_dir: Path) -> Holder | None:
    """The process that does a run now."""
    return holder(run_dir / LOCK)


def holder_of_study(study: Study) -> Holder | None:
    """The command that does a study now: for the default study the one that has started DVC, not a stage of it."""
    holders = (holder(study_marker(folder)) for folder in (Path("build") / study.study, runs_folder(study)))
    return next((each for each in holders if each is not None), None)

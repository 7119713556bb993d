"""Which engine does the runs of a study: `execution.engine`."""

from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.environment import Compared
from m2pt.runs.inputs import JobInputs
from pipelines.execution.engine import Engine, JobResult
from pipelines.execution.ray.cluster import RayCluster
from pipelines.execution.slot_pool import local_engine


def chosen_engine(study: Study) -> Engine:
    """The engine that a study declares.

    Raises:
        UserError: this machine does not have the declared devices.

    """
    match study.execution.engine:
        case "ray":
            return RayCluster(study)
        case "slurm":
            return SlurmJobs()
        case "local":
            return local_engine(study)


class SlurmJobs:
    """The engine of a SLURM cluster has no slots: what it does is submitted (`slurm.submission`)."""

    @property
    def capacity(self) -> int:
        """How many runs it does at once, for who asks when none is left: 1."""
        return 1

    def environment(self) -> Compared | None:
        """None: the nodes are known when SLURM has chosen them, and each run looks by itself."""
        return None

    def warm(self, jobs: int) -> None:
        """Nothing can be prepared."""

    def run(self, run_dir: Path, inputs: JobInputs, time_limit_s: float) -> JobResult:
        """Raises `UserError`: runs are submitted."""
        raise UserError(f"{run_dir}: with execution.engine: slurm runs are submitted, by `m2pt study`, `pretrain` or `sweep`.")

    def close(self) -> None:
        """Nothing is held: jobs go on without this process."""

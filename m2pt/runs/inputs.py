"""What a job needs to know about this machine: where its data and weights are, how to execute. None of it changes a number."""

from pathlib import Path

from m2pt.config import Frozen, OutOfMemory, UserError
from m2pt.files.documents import read_model, write_json
from m2pt.runs.environment import Compared
from m2pt.runs.folder import INPUTS
from m2pt.runs.lineage import Lineage
from m2pt.stop_limit import STOP_LIMIT_S


class JobInputs(Frozen):
    """The content of `local/inputs.json`; paths are relative to the project, or absolute."""

    data: str
    """Folder of the data set."""

    cache: str
    """Folder for decoded data and what is remembered about files."""

    start_weights: str | None = None
    """The encoder that a pretraining with labels continues from."""

    target_weights: str | None = None
    """The encoder of the target; None for a fresh initialisation."""

    auxiliary_weights: tuple[str, ...] = ()
    """The encoders that the method takes besides the target's, in the order of the spec."""

    auxiliary_data: str | None = None
    """Folder of the samples of the auxiliary's modality, for methods that train with them."""

    lineage: Lineage | None = None
    """Whether target and auxiliary go on from a common encoder; a fact of the weights, not a setting. For the record."""

    device: str = "cpu"
    """`cpu` or `cuda`; set by the slot that takes the run."""

    slot: str = ""
    """The name of that slot, for people who ask where the run goes on."""

    devices: int = 1
    """Devices that share the run, one process each."""

    threads: int = 1
    """Threads that the run computes with."""

    checkpoint_every_epochs: int = 1
    checkpoint_every_steps: int | None = None
    checkpoint_every_seconds: float | None = None
    stop_limit_s: float = STOP_LIMIT_S
    """Seconds that the job has to save and end when it is told to stop."""

    micro_batch: int | None = None
    """The most samples in one forward pass; None for complete batches."""

    out_of_memory: OutOfMemory = "fail"
    """Whether a run whose device has too little memory fails, or goes on with half as many samples in a forward pass."""

    deterministic: bool = True
    """Whether torch may only use algorithms that give equal bits."""

    gradient_checkpointing: bool = False
    loader_workers: int = 0
    """Processes that decode samples; 0 decodes in the job itself."""

    beside: tuple[Compared, ...] = ()
    """Environments of the runs that this one will be compared with; the job refuses to differ from them."""


def write_inputs(run_dir: Path, inputs: JobInputs) -> None:
    """Write a job's inputs into the run's folder. Raises `UserError` as `write_json`."""
    write_json(run_dir / INPUTS, inputs.model_dump(mode="json"))


def read_inputs(run_dir: Path) -> JobInputs:
    """The inputs of a run's last job. Raises `UserError` as `read_model`."""
    return read_model(run_dir / INPUTS, JobInputs)


def known_inputs(run_dir: Path) -> JobInputs | None:
    """The inputs of a run's last job; None if the run was done elsewhere, or they are damaged: the next job has others."""
    try:
        return read_inputs(run_dir) if (run_dir / INPUTS).is_file() else None
    except UserError:
        return None

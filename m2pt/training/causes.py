"""Why a run failed, as far as that is known from what was raised: a sentence, and whether another attempt may succeed."""

import errno
import re
import traceback
from pathlib import Path

import torch

from m2pt.config import UserError
from m2pt.pathway import PathwayError
from m2pt.runs.failure import Failure
from m2pt.runs.folder import LOG
from m2pt.training.reading import ReadersLostError

_SHORT_OF_MEMORY = re.compile("can(no|')t allocate memory|could not create a primitive|bad_alloc", re.IGNORECASE)
"""What torch and the libraries below it say where the system gives them no memory; the third is oneDNN's."""


def cause(error: Exception, run_dir: Path) -> Failure | None:
    """What to record of a run that failed by this error; None for an error of another kind, which is the code's."""
    name = run_dir.name
    if isinstance(error, UserError):
        return Failure(error=str(error))
    if isinstance(error, PathwayError):
        return Failure(error=f"{name}: {error}.")
    if isinstance(error, torch.OutOfMemoryError):
        way_out = "lower execution.micro_batch (of one target: micro_batch_of), or set execution.out_of_memory to halve"
        return Failure(error=f"{name}: the device ran out of memory; {way_out}.", details=str(error))
    if isinstance(error, ReadersLostError):
        return Failure(error=f"{name}: {error}; see whether the disk of the data answers.", kind="worker_died")
    said, log = " ".join(str(error).split("\n")[0].split()), run_dir / LOG
    if isinstance(error, torch.AcceleratorError):  # from here on this process can use the device no more
        sentence = f"{name}: the device failed ({said}; see {log}, and the system's log of the device)."
    elif is_short_of_memory(error):  # nor is another run of this process better off
        way_out = "let fewer runs go on at once (execution.slots), or lower execution.micro_batch (of one target: micro_batch_of)"
        sentence = f"{name}: the system gave its process no more memory ({said or 'MemoryError'}; see {log}); {way_out}."
    else:
        return None
    traceback.print_exc()
    return Failure(error=sentence, details=traceback.format_exc(), kind="worker_died")


def is_short_of_memory(error: Exception) -> bool:
    """Whether an error means that the system gives this process no more memory: it has too little, or a limit is reached."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_SHORT_OF_MEMORY.search(str(error))))

"""One run from start to finish: `python -m m2pt.job RUN_DIR`.

The folder holds `spec.json` (what to run) and `local/inputs.json` (where its inputs are). The run holds a lease, resumes from its
last checkpoint, and writes `record.json`, or `local/failure.json` with one sentence.

A signal (`m2pt.training.stopping`) lets it finish its step, save and end with code 75; the next start continues the run. A job
that was frozen until another one took its lease (`m2pt.files.leases`) ends with the same code, and writes nothing any more.

`python -m m2pt.job --worker` executes many runs in one process, so that imports are paid for once (`m2pt.training.orders`).
"""

import os
import subprocess
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from m2pt.training.stopping import STOPPED, Stop, StoppedError

_STOP = Stop()
"""What asks this process to stop, if it is the process of a job."""

if __name__ == "__main__":
    _STOP.obey_signals()  # before the imports that follow, which take seconds

import torch

from m2pt.config import UserError
from m2pt.files.leases import LeaseHeldError, LeaseLostError, require_leases
from m2pt.files.markers import is_leased
from m2pt.runs import environment
from m2pt.runs.attempts import Attempt, begin_attempt, end_attempt, now
from m2pt.runs.energy import EnergyMeter, energy_meter
from m2pt.runs.failure import Failure, read_failure, write_failure
from m2pt.runs.folder import FAILURE, LOCK, LOG, SPEC, is_complete, read_spec
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, read_inputs
from m2pt.runs.memory import PeakMemory
from m2pt.runs.plugins import require_code
from m2pt.runs.record import Record, write_record
from m2pt.runs.source import code_sha256, git_commit
from m2pt.runs.spec import PretrainSpec
from m2pt.training.causes import cause
from m2pt.training.checkpoint import epochs_of_checkpoint, remove_checkpoint
from m2pt.training.finetune import finetune
from m2pt.training.fitting import finetune_halving
from m2pt.training.holding import held
from m2pt.training.orders import serve
from m2pt.training.places import Places
from m2pt.training.pretrain import pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.training.share import Share, is_of_another, joined
from m2pt.training.sources import read_feed, read_split
from m2pt.training.startable import require_startable
from m2pt.training.stopwatch import Stopwatch


def run(run_dir: Path, share: Share | None = None, device_index: int = 0, stop: Stop | None = None) -> str | None:
    """Execute one run; returns None if it is complete, otherwise the sentence that says why not. Never raises for a failing run.

    `share` is this process's share of the run if torchrun started several processes for it. A run that needs several devices and
    was not started by torchrun starts those processes itself. A run that `stop` ends leaves no failure.
    """
    share, stop = share or Share(), stop or Stop()
    try:
        if share.world == 1 and (devices := _devices_needed(run_dir, stop)) > 1:
            return _run_shared(run_dir, devices, stop)
        with held(run_dir, share, stop):
            if is_complete(run_dir):
                return None
            log_name = LOG if share.leads else f"{LOG}.{share.rank}"
            with (run_dir / log_name).open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
                return _attempt(run_dir, share, device_index, stop)
    except (LeaseHeldError, LeaseLostError):
        stop.ask()
        return _stopped(run_dir)
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{run_dir}: cannot be used as a run's folder ({error.strerror})."


def _devices_needed(run_dir: Path, stop: Stop) -> int:
    try:
        inputs = read_inputs(run_dir)
    except UserError:  # raised again by the attempt, which also records it
        return 1
    stop.limit_s = inputs.stop_limit_s
    return inputs.devices


def _run_shared(run_dir: Path, devices: int, stop: Stop) -> str | None:
    """Have torchrun start one process for each device of the run; returns as `run` does."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices)]
    with (run_dir / LOG).open("a", encoding="utf-8") as log:
        torchrun = subprocess.Popen([*command, "-m", "m2pt.job", str(run_dir)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        with stop.reaching(torchrun):
            torchrun.wait()
    if is_complete(run_dir):
        return None
    if (run_dir / FAILURE).is_file():
        return read_failure(run_dir).error
    if is_leased(run_dir / LOCK):  # by a job elsewhere, which has taken it over
        stop.ask()
    if stop.asked:
        return _stopped(run_dir)
    sentence = f"{run_dir.name}: one of its {devices} processes died (see {run_dir / LOG})."
    return _fail(run_dir, Failure(error=sentence, kind="worker_died"))


def _stopped(run_dir: Path) -> str:
    return f"{run_dir.name}: was stopped before its end; start again to continue it."


def _attempt(run_dir: Path, share: Share, device_index: int, stop: Stop) -> str | None:
    if share.leads:
        require_leases()
        (run_dir / FAILURE).unlink(missing_ok=True)
    try:
        _execute(run_dir, share, device_index, stop)
    except StoppedError:
        stop.ask()  # another process of the run may have been asked
        return _stopped(run_dir)
    except LeaseLostError:
        raise
    except Exception as error:  # an error of any kind fails only this run
        if (failure := cause(error, run_dir)) is not None:
            return _fail(run_dir, failure)
        traceback.print_exc()
        if stop.asked:  # what the run needs is taken away while it saves; it goes on from its last checkpoint
            return _stopped(run_dir)
        if share.world > 1 and is_of_another(error):  # that one has said why, or was killed: `_run_shared` says so
            return f"{run_dir.name}: another of its processes has ended (see {run_dir / LOG})."
        message = " ".join(str(error).split()) or "no message"
        sentence = f"{run_dir.name}: {type(error).__name__}: {message} (see {run_dir / LOG})."
        return _fail(run_dir, Failure(error=sentence, details=traceback.format_exc()))
    return None


def _fail(run_dir: Path, failure: Failure) -> str:
    try:
        write_failure(run_dir, failure)
    except UserError as error:
        return f"{failure.error} This could not be recorded either: {error}"
    return failure.error


def _execute(run_dir: Path, share: Share, device_index: int, stop: Stop) -> None:
    started, begin = now(), time.perf_counter()
    spec = read_spec(run_dir)
    require_code(spec.plugins, run_dir.name)
    inputs = read_inputs(run_dir)
    # Torchrun, which waits for the processes of a run on several devices, has to end in time too.
    stop.limit_s = inputs.stop_limit_s if share.world == 1 else max(inputs.stop_limit_s - 1, inputs.stop_limit_s / 2)
    device = _prepare_device(inputs, device_index)
    memory = PeakMemory(device)
    attempt = _attempt_begun(started, run_dir, device, share, inputs.deterministic)
    environment.require(attempt.compared, inputs.beside)
    if share.leads:
        begin_attempt(run_dir, attempt)
    watch = Stopwatch()
    with energy_meter(_devices(device, share)) as energy:
        try:
            if isinstance(spec, PretrainSpec):
                with watch.measure("load"):
                    names = ("pretrain", "val") if spec.reads_data else ()
                    splits = {split: read_split(spec.modality, spec, split, inputs) for split in names}
                course = Course(run_dir, device, watch, stop, inputs.checkpoint_every_seconds)
                record: Record = pretrain(spec, splits, _path(inputs.start_weights), course)
            else:
                places = _places(inputs, device, share, stop)
                require_startable(spec, places.means)
                with watch.measure("load"):
                    feed = read_feed(spec, inputs, share)
                train = finetune_halving if inputs.out_of_memory == "halve" else finetune
                record = train(spec, feed, places, run_dir, watch).model_copy(update={"lineage": inputs.lineage})
        finally:
            if share.leads:
                end_attempt(run_dir, attempt.model_copy(update=_measured(watch, begin, energy, memory)))
    if record.run_id != run_id(spec):
        raise ValueError("the record belongs to another run")
    if share.leads:
        write_record(run_dir, record)
        remove_checkpoint(run_dir)


def _attempt_begun(started: str, run_dir: Path, device: torch.device, share: Share, deterministic: bool) -> Attempt:
    """What is known about an attempt when it begins."""
    epochs_done = epochs_of_checkpoint(run_dir)
    name, threads = environment.device_name(device), torch.get_num_threads()
    facts = environment.facts(device.type, name, threads, deterministic=deterministic)
    return Attempt(
        started=started,
        resumed=epochs_done is not None,
        resumed_from_epoch=epochs_done or 0,
        devices=share.world,
        git_commit=git_commit(),
        **dict(facts),
    )


def _measured(watch: Stopwatch, begin: float, energy: EnergyMeter, memory: PeakMemory) -> dict[str, Any]:
    """The measurements of an attempt, taken when it ends."""
    seconds = watch.seconds | {"total": time.perf_counter() - begin}
    return {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "energy_joules": energy.joules(),
        "peak_memory_bytes": memory.bytes(),
        "inference": watch.inference,
    }


def _devices(device: torch.device, share: Share) -> list[torch.device]:
    """The devices of all processes of the run: the first ones that this process can see."""
    if share.world == 1 or device.type == "cpu":
        return [device]
    return [torch.device(device.type, index) for index in range(share.world)]


def _prepare_device(inputs: JobInputs, index: int) -> torch.device:
    """Choose the device, and fix what could make equal runs differ: the number of threads and, if so declared, the algorithms."""
    device = torch.device(inputs.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("the run was given a CUDA device, but torch sees none; set execution.devices to cpu or fix the driver.")
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", index)
    torch.set_num_threads(inputs.threads)
    torch.use_deterministic_algorithms(inputs.deterministic)
    # Nothing of ours reads memory that was never written, and filling it takes a call for each new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not inputs.deterministic
    return device


def _places(inputs: JobInputs, device: torch.device, share: Share, stop: Stop) -> Places:
    return Places(
        target_weights=_path(inputs.target_weights),
        auxiliary_weights=tuple(Path(path) for path in inputs.auxiliary_weights),
        device=device,
        share=share,
        checkpoint_every_epochs=inputs.checkpoint_every_epochs,
        checkpoint_every_steps=inputs.checkpoint_every_steps,
        checkpoint_every_seconds=inputs.checkpoint_every_seconds,
        stop=stop,
        micro_batch=inputs.micro_batch,
        gradient_checkpointing=inputs.gradient_checkpointing,
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def main(arguments: list[str]) -> int:
    """Entry point; exit code 0 complete, 1 failed, 2 wrong usage, 75 stopped before its end."""
    code_sha256()  # hashes (and remembers) the files that this process has just imported, even if they are edited later
    # cuBLAS is deterministic only with a fixed workspace; it reads this when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    stop = _STOP
    if arguments == ["--worker"]:
        serve(partial(run, stop=stop), stop)
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m m2pt.job RUN_DIR | --worker", file=sys.stderr)
        return 2
    run_dir = Path(arguments[0])
    if not (run_dir / SPEC).is_file():
        print(f"{run_dir / SPEC}: is missing; run folders are made by `m2pt sweep`.", file=sys.stderr)
        return 2
    if stop.asked:  # while this process began
        print(_stopped(run_dir), file=sys.stderr)
        return STOPPED
    with joined(_device_type(run_dir)) as (share, index):
        error = run(run_dir, share, index, stop)
        code = 0 if error is None else STOPPED if stop.asked and not (run_dir / FAILURE).is_file() else 1
        if code and share.world > 1:
            os._exit(code)  # the others wait for this process; torchrun ends them
    print(error or f"{run_dir}: complete", file=sys.stderr if error else sys.stdout, flush=True)
    return code


def _device_type(run_dir: Path) -> str:
    try:
        return read_inputs(run_dir).device
    except UserError:
        return "cpu"


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # Python would end slowly, and no longer hear signals while it does

"""One run from start to finish: `python -m m2pt.job RUN_DIR`.

The folder holds `spec.json` (what to run) and `local/inputs.json` (where its inputs are). The run holds a lock, resumes from its
last checkpoint, and writes `record.json`, or `local/failure.json` with one sentence.

`python -m m2pt.job --worker` executes many runs in one process, so that imports are paid for once: it prints `{"ready": true}`,
reads `{"run_dir": ...}` lines from standard input and answers each with `{"run_dir": ..., "status": ..., "error": ...}`. It exits
at once when its standard input closes, which also happens when its parent dies.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch

from m2pt.config import UserError
from m2pt.files.locks import locked
from m2pt.pathway import PathwayError
from m2pt.runs import environment
from m2pt.runs.attempts import Attempt, begin_attempt, end_attempt, now
from m2pt.runs.energy import EnergyMeter, energy_meter
from m2pt.runs.failure import Failure, read_failure, write_failure
from m2pt.runs.folder import FAILURE, LOCK, LOG, SPEC, RunState, is_complete, read_spec
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, read_inputs
from m2pt.runs.memory import PeakMemory
from m2pt.runs.record import Record, write_record
from m2pt.runs.source import code_sha256, git_commit
from m2pt.runs.spec import PretrainSpec
from m2pt.training.checkpoint import epochs_of_checkpoint, remove_checkpoint
from m2pt.training.finetune import finetune
from m2pt.training.places import Places
from m2pt.training.pretrain import pretrain
from m2pt.training.share import Share, joined
from m2pt.training.sources import read_feed, read_split
from m2pt.training.startable import require_startable
from m2pt.training.stopwatch import Stopwatch


def run(run_dir: Path, share: Share | None = None, device_index: int = 0) -> str | None:
    """Execute one run; returns None if it is complete, otherwise the sentence that says why not. Never raises for a failing run.

    `share` is this process's share of the run if torchrun started several processes for it. A run that needs several devices and
    was not started by torchrun starts those processes itself.
    """
    share = share or Share()
    try:
        if share.world == 1 and (devices := _devices_needed(run_dir)) > 1:
            return _run_shared(run_dir, devices)
        with locked(run_dir / LOCK) if share.leads else nullcontext():
            if is_complete(run_dir):
                return None
            log_name = LOG if share.leads else f"{LOG}.{share.rank}"
            with (run_dir / log_name).open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
                return _attempt(run_dir, share, device_index)
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{run_dir}: cannot be used as a run's folder ({error.strerror})."


def _devices_needed(run_dir: Path) -> int:
    try:
        return read_inputs(run_dir).devices
    except UserError:  # raised again by the attempt, which also records it
        return 1


_under_way: list["subprocess.Popen[bytes]"] = []
"""The torchrun process that this process has started for a run on several devices; it must not outlive this process."""


def _run_shared(run_dir: Path, devices: int) -> str | None:
    """Have torchrun start one process for each device of the run; returns as `run` does."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices)]
    with (run_dir / LOG).open("a", encoding="utf-8") as log:
        torchrun = subprocess.Popen([*command, "-m", "m2pt.job", str(run_dir)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _under_way.append(torchrun)
        torchrun.wait()
        _under_way.remove(torchrun)
    if is_complete(run_dir):
        return None
    if (run_dir / FAILURE).is_file():
        return read_failure(run_dir).error
    return _fail(run_dir, f"{run_dir.name}: one of its {devices} processes died (see {run_dir / LOG}).", "")


def _attempt(run_dir: Path, share: Share, device_index: int) -> str | None:
    if share.leads:
        (run_dir / FAILURE).unlink(missing_ok=True)
    try:
        _execute(run_dir, share, device_index)
    except UserError as error:
        return _fail(run_dir, str(error), "")
    except PathwayError as error:
        return _fail(run_dir, f"{run_dir.name}: {error}.", "")
    except torch.OutOfMemoryError as error:
        return _fail(run_dir, f"{run_dir.name}: the device ran out of memory; lower execution.micro_batch.", str(error))
    except Exception as error:  # an error of any kind fails only this run
        traceback.print_exc()
        message = " ".join(str(error).split()) or "no message"
        sentence = f"{run_dir.name}: {type(error).__name__}: {message} (see {run_dir / LOG})."
        return _fail(run_dir, sentence, traceback.format_exc())
    return None


def _fail(run_dir: Path, sentence: str, details: str) -> str:
    try:
        write_failure(run_dir, Failure(error=sentence, details=details))
    except UserError as error:
        return f"{sentence} This could not be recorded either: {error}"
    return sentence


def _execute(run_dir: Path, share: Share, device_index: int) -> None:
    started, begin = now(), time.perf_counter()
    spec = read_spec(run_dir)
    inputs = read_inputs(run_dir)
    device = _prepare_device(inputs, device_index)
    memory = PeakMemory(device)
    attempt = _attempt_begun(started, run_dir, device, share)
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
                record: Record = pretrain(spec, splits, _path(inputs.start_weights), device, run_dir, watch)
            else:
                places = _places(inputs, device, share)
                require_startable(spec, places.means)
                with watch.measure("load"):
                    feed = read_feed(spec, inputs, share)
                record = finetune(spec, feed, places, run_dir, watch).model_copy(update={"lineage": inputs.lineage})
        finally:
            if share.leads:
                end_attempt(run_dir, attempt.model_copy(update=_measured(watch, begin, energy, memory)))
    if record.run_id != run_id(spec):
        raise ValueError("the record belongs to another run")
    if share.leads:
        write_record(run_dir, record)
        remove_checkpoint(run_dir)


def _attempt_begun(started: str, run_dir: Path, device: torch.device, share: Share) -> Attempt:
    """What is known about an attempt when it begins."""
    epochs_done = epochs_of_checkpoint(run_dir)
    facts = environment.facts(device.type, environment.device_name(device), torch.get_num_threads())
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
    """Choose the device, and fix what could make equal runs differ: the number of threads and the algorithms."""
    device = torch.device(inputs.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("the run was given a CUDA device, but torch sees none; set execution.devices to cpu or fix the driver.")
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", index)
    torch.set_num_threads(inputs.threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    return device


def _places(inputs: JobInputs, device: torch.device, share: Share) -> Places:
    return Places(
        target_weights=_path(inputs.target_weights),
        auxiliary_weights=tuple(Path(path) for path in inputs.auxiliary_weights),
        device=device,
        share=share,
        checkpoint_every_epochs=inputs.checkpoint_every_epochs,
        checkpoint_every_steps=inputs.checkpoint_every_steps,
        micro_batch=inputs.micro_batch,
        gradient_checkpointing=inputs.gradient_checkpointing,
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def work() -> None:
    """Serve runs from standard input until it closes."""
    # Answers go to the real standard output; whatever a library prints must not mix with them.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    while True:
        run_dir = orders.get()
        error = run(Path(run_dir))
        answer = {"run_dir": run_dir, "status": RunState.FAILED if error else RunState.COMPLETE, "error": error}
        print(json.dumps(answer), file=answers, flush=True)


def _read_orders(orders: queue.Queue[str]) -> None:
    """Queue the requests; end the process, even in the middle of a run, when the parent is gone."""
    for line in sys.stdin:
        orders.put(json.loads(line)["run_dir"])
    for started in _under_way:
        started.kill()
    os._exit(0)


def main(arguments: list[str]) -> int:
    """Entry point; exit code 0 complete, 1 failed, 2 wrong usage."""
    code_sha256()  # hashes (and remembers) the files that this process has just imported, even if they are edited later
    # cuBLAS is deterministic only with a fixed workspace; it reads this when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if arguments == ["--worker"]:
        work()
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m m2pt.job RUN_DIR | --worker", file=sys.stderr)
        return 2
    run_dir = Path(arguments[0])
    if not (run_dir / SPEC).is_file():
        print(f"{run_dir / SPEC}: is missing; run folders are made by `m2pt sweep`.", file=sys.stderr)
        return 2
    with joined(_device_type(run_dir)) as (share, index):
        error = run(run_dir, share, index)
        if error is not None and share.world > 1:
            os._exit(1)  # the others wait for this process; torchrun ends them
    print(error or f"{run_dir}: complete", file=sys.stderr if error else sys.stdout)
    return 1 if error else 0


def _device_type(run_dir: Path) -> str:
    try:
        return read_inputs(run_dir).device
    except UserError:
        return "cpu"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

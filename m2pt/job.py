"""One run from start to finish: `python -m m2pt.job RUN_DIR`.

The folder holds `spec.json` (what) and `local/inputs.json` (where). The run is done under a lock, goes on from its last
checkpoint, and leaves `record.json`, or `local/failure.json` with one sentence.

`python -m m2pt.job --worker` does many runs in one process, so that imports are paid once: it prints `{"ready": true}`, reads
`{"run_dir": ...}` lines from standard input and answers each with `{"run_dir": ..., "status": ..., "error": ...}`. It leaves
at once when its standard input closes, which is also what happens when its parent dies.
"""

import fcntl
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from m2pt import data, execution, records
from m2pt.config import UserError
from m2pt.identity import PretrainSpec, RunSpec, Spec, run_id
from m2pt.modalities.samples import Samples
from m2pt.training.checkpoint import remove_checkpoint
from m2pt.training.finetune import Places, finetune
from m2pt.training.pretrain import pretrain
from m2pt.training.stopwatch import Stopwatch


@contextmanager
def _locked(run_dir: Path) -> Iterator[None]:
    """Hold the run's lock; the system frees it when the process ends, however it ends."""
    path = run_dir / records.LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(run_dir: Path) -> str | None:
    """Do one run; returns None when it is complete, else the sentence that says why not. Never raises for a failing run."""
    try:
        with _locked(run_dir):
            if records.status(run_dir) == "complete":
                return None
            with (run_dir / records.LOG).open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
                return _attempt(run_dir)
    except OSError as error:
        return f"{run_dir}: cannot be used as a run's folder ({error.strerror})."


def _attempt(run_dir: Path) -> str | None:
    (run_dir / records.FAILURE).unlink(missing_ok=True)
    try:
        _execute(run_dir)
    except UserError as error:
        return _fail(run_dir, str(error), "")
    except torch.OutOfMemoryError as error:
        return _fail(run_dir, f"{run_dir.name}: the device has not enough memory; lower the batch size.", str(error))
    except Exception as error:  # whatever happens inside a run fails this run and no other
        traceback.print_exc()
        message = " ".join(str(error).split()) or "no message"
        sentence = f"{run_dir.name}: {type(error).__name__}: {message} (see {run_dir / records.LOG})."
        return _fail(run_dir, sentence, traceback.format_exc())
    return None


def _fail(run_dir: Path, sentence: str, details: str) -> str:
    try:
        records.write_json(run_dir / records.FAILURE, {"error": sentence, "details": details, "kind": "error"})
    except UserError as error:
        return f"{sentence} Nor could this be recorded: {error}"
    return sentence


def _execute(run_dir: Path) -> None:
    started, begin = execution.now(), time.perf_counter()
    spec = records.read_spec(run_dir)
    inputs = records.read_json(run_dir / records.INPUTS)
    device = _prepare_device(inputs)
    resumed_from = len(records.read_history(run_dir))
    watch = Stopwatch()
    with watch.measure("load"):
        splits = _load(spec, inputs)
    try:
        if isinstance(spec, PretrainSpec):
            record = pretrain(spec, splits, _path(inputs["start_weights"]), device, run_dir, watch)
        else:
            record = finetune(spec, splits, _places(inputs, device), run_dir, watch)
    finally:
        seconds = watch.seconds | {"total": time.perf_counter() - begin}
        execution.add_attempt(
            run_dir,
            {
                "started": started,
                "resumed_from_epoch": resumed_from,
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "device": device.type,
                "device_name": execution.device_name(device),
                "threads": torch.get_num_threads(),
                "peak_memory_bytes": execution.peak_memory_bytes(device),
                "git_commit": execution.git_commit(),
                "versions": execution.versions(),
            },
        )
    if record["run_id"] != run_id(spec):
        raise ValueError("the record is not this run's")
    records.write_json(run_dir / records.RECORD, record)
    remove_checkpoint(run_dir)


def _prepare_device(inputs: dict[str, Any]) -> torch.device:
    """Choose the device and fix what could make equal runs differ: threads and algorithms."""
    device = torch.device(inputs["device"])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("the run was given a CUDA device, but torch sees none; set execution.devices to cpu or mend the driver.")
    torch.set_num_threads(inputs["threads"])
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return device


def _load(spec: Spec, inputs: dict[str, Any]) -> dict[str, Samples]:
    modality, splits = (
        (spec.target, ("train", "val", "test")) if isinstance(spec, RunSpec) else (spec.modality, ("pretrain", "val"))
    )
    folder, cache = Path(inputs["data"]), Path(inputs["cache"])
    return {split: _split(modality, folder, split, spec.input, spec.data_sha256, cache) for split in splits}


_split = lru_cache(maxsize=6)(data.load)
"""Samples stay in a worker between its runs; their fingerprint is part of the key, so they are never another data set's."""


def _places(inputs: dict[str, Any], device: torch.device) -> Places:
    return Places(
        target_weights=_path(inputs["target_weights"]),
        auxiliary_weights=_path(inputs["auxiliary_weights"]),
        device=device,
        checkpoint_every_epochs=inputs["checkpoint_every_epochs"],
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
        answer = {"run_dir": run_dir, "status": "failed" if error else "complete", "error": error}
        print(json.dumps(answer), file=answers, flush=True)


def _read_orders(orders: queue.Queue[str]) -> None:
    """Pass on orders; leave the process, in the middle of a run if need be, when the parent is gone."""
    for line in sys.stdin:
        orders.put(json.loads(line)["run_dir"])
    os._exit(0)


def main(arguments: list[str]) -> int:
    """Entry point; exit code 0 complete, 1 failed, 2 wrong call."""
    # cuBLAS is deterministic only with a fixed workspace; it reads this when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if arguments == ["--worker"]:
        work()
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m m2pt.job RUN_DIR | --worker", file=sys.stderr)
        return 2
    run_dir = Path(arguments[0])
    if not (run_dir / records.SPEC).is_file():
        print(f"{run_dir / records.SPEC}: is missing; a run's folder is made by `m2pt sweep`.", file=sys.stderr)
        return 2
    error = run(run_dir)
    print(error or f"{run_dir}: complete", file=sys.stderr if error else sys.stdout)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

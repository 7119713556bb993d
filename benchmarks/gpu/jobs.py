"""Are jobs right on this device? Killed, stopped and resumed, side by side, out of memory, and what energy they report."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.measuring.fixtures import SMALL, Setup, spec_of
from benchmarks.measuring.parts import Row, must
from m2pt import job
from m2pt.config import EmbeddedData, FinetuneConfig, ImageInput, ModelConfig
from m2pt.data.fingerprints import fingerprint
from m2pt.files.documents import read_json
from m2pt.modalities.image import embedded
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import CHECKPOINT, EXECUTION, FAILURE, HISTORY, MERGED, RECORD, create_run
from m2pt.runs.inputs import JobInputs, write_inputs

LIMIT_S = 120
COMPARED = (RECORD, HISTORY, MERGED)


def jobs(setup: Setup) -> list[Row]:
    """Real jobs on generated pictures, as a sweep starts them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = place / "image"
        embedded.write(data, EmbeddedData(pretrain=20, train=320, val=40, test=40))
        return _resumed(place, data, setup) + _out_of_memory(place, data, setup)


def _resumed(place: Path, data: Path, setup: Setup) -> list[Row]:
    """A run that nothing disturbs; then, side by side on the device, one that is killed and one that is told to stop."""
    whole = _prepared(place / "whole", data, setup)
    seconds = _finish(whole)
    expected = _bytes(whole)
    rows = [must("job: an undisturbed run is complete", expected is not None, "" if expected else _failure(whole))]
    if expected is None:
        return rows
    numbers = {"killed by SIGKILL": signal.SIGKILL, "stopped by SIGTERM": signal.SIGTERM}
    folders = {name: _prepared(place / number.name, data, setup) for name, number in numbers.items()}
    processes = {name: _start(run_dir) for name, run_dir in folders.items()}
    said = {}
    for name, number in numbers.items():
        _wait_for(folders[name] / CHECKPOINT)
        processes[name].send_signal(number)
        begin = time.monotonic()
        code = processes[name].wait(LIMIT_S)
        said[name] = f"ended with {code} after {time.monotonic() - begin:.1f} s"
    halted = {name: not (run_dir / RECORD).exists() for name, run_dir in folders.items()}
    for process in [_start(run_dir) for run_dir in folders.values()]:
        process.wait(LIMIT_S)
    for name, run_dir in folders.items():
        same = halted[name] and _bytes(run_dir) == expected
        rows.append(must(f"job {name}, resumed beside another: the same bytes", same, said[name]))
    return rows + _energy(whole, seconds, setup)


def _energy(run_dir: Path, seconds: float, setup: Setup) -> list[Row]:
    (attempt,) = read_json(run_dir / EXECUTION)["attempts"]
    joules = attempt["energy_joules"]
    memory = f"peak memory {attempt['peak_memory_bytes'] / 2**20:.0f} MiB"
    if setup.device.type != "cuda":
        return [Row("job: the energy that it reports", f"{joules}; {memory}")]
    watts = joules / attempt["seconds"]["total"] if joules else 0.0
    said = f"{watts:.0f} W over {seconds:.0f} s; {memory}"
    return [must("job: NVML's energy is between 20 and 1,000 W", 20 < watts < 1000, said)]


def _out_of_memory(place: Path, data: Path, setup: Setup) -> list[Row]:
    """A run that does not fit fails with our sentence, and says so."""
    if setup.device.type != "cuda":
        return [Row("out of memory", "only on CUDA")]
    share = 256 * 2**20 / torch.cuda.get_device_properties(setup.device).total_memory
    large = ModelConfig(width=768, depth=12, heads=12)
    run_dir = _prepared(place / "large", data, setup, model=large, batch=320)
    torch.cuda.set_per_process_memory_fraction(share, setup.device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    said = job.run(run_dir) or "nothing"
    torch.cuda.set_per_process_memory_fraction(1.0, setup.device)
    return [must("a job that runs out of memory says so", "ran out of memory" in said, said.partition(": ")[2])]


def _prepared(place: Path, data: Path, setup: Setup, model: ModelConfig = SMALL, batch: int = 16) -> Path:
    recipe = FinetuneConfig(samples="all", epochs=2 if setup.tiny else 8, batch_size=batch, warmup_steps=2, drop_path=0.1)
    spec = spec_of("image", ImageInput(), model, recipe, joined=False)
    cache = data.parent / "cache"
    run_dir = create_run(place, spec.model_copy(update={"data_sha256": fingerprint(data, cache)}))
    inputs = JobInputs(data=str(data), cache=str(cache), device=setup.device.type, checkpoint_every_steps=3)
    write_inputs(run_dir, inputs)
    return run_dir


def _start(run_dir: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "m2pt.job", str(run_dir)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _finish(run_dir: Path) -> float:
    begin = time.monotonic()
    _start(run_dir).wait(LIMIT_S)
    return time.monotonic() - begin


def _wait_for(file: Path) -> None:
    end = time.monotonic() + LIMIT_S
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.01)


def _failure(run_dir: Path) -> str:
    """Why a run is not complete, in its own words."""
    return read_failure(run_dir).error if (run_dir / FAILURE).is_file() else "no, and it does not say why"


def _bytes(run_dir: Path) -> dict[str, bytes] | None:
    """The files whose bytes have to be the same; None if the run is not complete."""
    if not (run_dir / RECORD).is_file():
        return None
    return {name: (run_dir / name).read_bytes() for name in COMPARED}

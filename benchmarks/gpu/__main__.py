"""Run the GPU benchmark: `python -m benchmarks.gpu [--device cuda|cpu] [--tiny] [--only PART ...] [--out FOLDER]`.

It needs torch, timm and the scientific packages (`pip install .`) alone. First whether results are right on the device, then
what they cost. Every part runs in a process of its own: one that fails is told, and the rest goes on. It writes `gpu.json` and
`gpu.md` into the folder, and ends with 1 if a part failed or a limit does not hold. `--tiny` tries the code; its times mean
nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as in a job; read when CUDA starts

import torch

from benchmarks.gpu.fixtures import Setup
from benchmarks.gpu.jobs import jobs
from benchmarks.gpu.parts import Part
from benchmarks.gpu.steps import inference, pathway_step
from benchmarks.gpu.trainers import busy, small_trainers, trainer
from benchmarks.gpu.training import fine_tunes, merges

PARTS: dict[str, Part] = {
    "fine-tunes": fine_tunes,
    "merges": merges,
    "jobs": jobs,
    "pathway-step": pathway_step,
    "inference": inference,
    "trainer": trainer,
    "small-trainers": small_trainers,
    "busy": busy,
}
LIMIT_S = 200
_MARK = "rows: "


def main() -> int:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("build/gpu"))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device here; `--device cpu --tiny` tries the code without one.")
    if options.part:
        return _run_here(options.part, Setup(torch.device(options.device, 0), options.tiny))
    found = {name: _run(name, options) for name in options.only or PARTS}
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"machine": _machine(options.device), "tiny": options.tiny, "parts": found}
    (options.out / "gpu.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    table = _table(document)
    (options.out / "gpu.md").write_text(table, encoding="utf-8")
    print(table)
    lost = [row for part in found.values() for row in part["rows"] if row["holds"] is False]
    return int(bool(lost and not options.tiny) or any(part["error"] for part in found.values()))


def _run_here(name: str, setup: Setup) -> int:
    torch.set_num_threads(1 if setup.device.type == "cpu" else 4)
    print(_MARK + json.dumps([asdict(row) for row in PARTS[name](setup)]), flush=True)
    return 0


def _run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The rows of a part, from its own process; or why there are none."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, "--device", options.device]
    try:
        done = subprocess.run(command + ["--tiny"] * options.tiny, capture_output=True, text=True, timeout=LIMIT_S)
        lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
        error = None if lines and done.returncode == 0 else (done.stderr.strip() or f"it ended with {done.returncode}")[-2000:]
        rows = json.loads(lines[-1].removeprefix(_MARK)) if lines else []
    except subprocess.TimeoutExpired:
        error, rows = f"it had not ended after {LIMIT_S} s", []
    print(f"{name}: {'failed' if error else 'done'} after {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return {"rows": rows, "error": error, "seconds": round(time.monotonic() - begin, 1)}


def _machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    cuda = {"CUDA": str(torch.version.cuda), "cuDNN": str(torch.backends.cudnn.version())} if device == "cuda" else {}
    return {"device": name, "Python": platform.python_version(), "torch": torch.__version__, **cuda}


def _table(document: dict[str, Any]) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in document["machine"].items()), ""]
    lines += ["| what | measured | limit | holds |", "|---|---|---|---|"]
    for name, part in document["parts"].items():
        for row in part["rows"]:
            holds = {None: "", True: "yes", False: "**no**"}[row["holds"]]
            lines.append(f"| {row['what']} | {row['value']} | {row['limit']} | {holds} |")
        if part["error"]:
            lines.append(f"| {name} | failed: {part['error'].splitlines()[-1]} | | **no** |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

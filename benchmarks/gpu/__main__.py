"""Run the GPU benchmark: `python -m benchmarks.gpu [--device cuda|cpu] [--tiny] [--only PART ...] [--out FOLDER]`.

It needs torch, timm and the scientific packages (`pip install .`) alone. First whether results are right on the device, then
what they cost. Every part runs in a process of its own: one that fails is told, and the rest goes on. It writes `gpu.json` and
`gpu.md` into the folder, and ends with 1 if a part failed or a limit does not hold. `--tiny` tries the code; its times mean
nothing.
"""

import os
import platform
import sys

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as in a job; read when CUDA starts

import torch

from benchmarks.gpu.jobs import jobs
from benchmarks.gpu.steps import inference, pathway_step
from benchmarks.gpu.trainers import busy, small_trainers, stacks, trainer
from benchmarks.gpu.training import fine_tunes, merges
from benchmarks.measuring.fixtures import Setup
from benchmarks.measuring.parts import Part
from benchmarks.measuring.running import arguments, finish, run_apart, run_here

PARTS: dict[str, Part] = {
    "fine-tunes": fine_tunes,
    "merges": merges,
    "jobs": jobs,
    "pathway-step": pathway_step,
    "inference": inference,
    "trainer": trainer,
    "small-trainers": small_trainers,
    "stacks": stacks,
    "busy": busy,
}
LIMIT_S = 200


def main() -> int:
    """Run all parts, or one."""
    parser = arguments("benchmarks.gpu", (__doc__ or "").splitlines()[0], PARTS, "build/gpu")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device here; `--device cpu --tiny` tries the code without one.")
    if options.part:
        return run_here(PARTS[options.part], Setup(torch.device(options.device, 0), options.tiny))
    command = ["benchmarks.gpu", "--device", options.device, *["--tiny"] * options.tiny, "--part"]
    parts = {name: run_apart(name, [*command, name], LIMIT_S) for name in options.only or PARTS}
    return finish({"machine": _machine(options.device), "tiny": options.tiny, "parts": parts}, options.out, "gpu")


def _machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    cuda = {"CUDA": str(torch.version.cuda), "cuDNN": str(torch.backends.cudnn.version())} if device == "cuda" else {}
    return {"device": name, "Python": platform.python_version(), "torch": torch.__version__, **cuda}


if __name__ == "__main__":
    sys.exit(main())

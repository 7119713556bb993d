"""Run the CPU benchmark: `python -m benchmarks.cpu [--tiny] [--only PART ...] [--out FOLDER]`; `make bench` does.

One thread; times are processor times, which do not count what other processes do meanwhile, and ratios are of steps that take
turns in one process. Every part runs in a process of its own: one that fails is told, and the rest goes on. It writes `cpu.json`
and `cpu.md` into the folder, and ends with 1 if a part failed or a limit does not hold. With `--only`, the other parts stay as
the folder's table has them, if it is of the same machine, versions and commit. `--tiny` tries the code; its times mean nothing.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.cpu.loading import loading
from benchmarks.cpu.pathway import inference, vit_b, vit_s
from benchmarks.cpu.pretraining import pretraining
from benchmarks.cpu.starting import starting
from benchmarks.cpu.trainers import large_trainer, small_trainers, stacks
from benchmarks.measuring.fixtures import Setup
from benchmarks.measuring.parts import Part
from benchmarks.measuring.running import arguments, finish, load, machine, run_apart, run_here, save

PARTS: dict[str, Part] = {
    "pathway-vit-s": vit_s,
    "pathway-vit-b": vit_b,
    "inference": inference,
    "small-trainers": small_trainers,
    "trainer": large_trainer,
    "stacks": stacks,
    "pretraining": pretraining,
    "starting": starting,
    "loading": loading,
}
LIMIT_S = 900
"""Of a part: several times what it takes on a machine with nothing else to do."""


def main() -> int:
    """Run all parts, or some."""
    options = arguments("benchmarks.cpu", (__doc__ or "").splitlines()[0], PARTS, "build/cpu").parse_args()
    if options.part:
        return run_here(PARTS[options.part], Setup(torch.device("cpu"), options.tiny))
    here = machine()  # before another commit can be checked out
    parts = _kept(options, here)
    for name in options.only or PARTS:
        before = load()
        done = run_apart(name, ["benchmarks.cpu", *["--tiny"] * options.tiny, "--part", name], LIMIT_S)
        parts[name] = done | {"date": f"{datetime.now(UTC):%Y-%m-%d}", "load": [before, load()]}
        save(_document(here, parts, options.tiny), options.out, "cpu")  # kept, also if another part is interrupted
    return finish(_document(here, parts, options.tiny), options.out, "cpu")


def _document(here: dict[str, str], parts: dict[str, Any], tiny: bool) -> dict[str, Any]:
    return {"machine": here, "tiny": tiny, "parts": {name: parts[name] for name in PARTS if name in parts}}


def _kept(options: argparse.Namespace, here: dict[str, str]) -> dict[str, Any]:
    """The parts that a former table of the same machine, versions and commit has, where only some are measured."""
    path: Path = options.out / "cpu.json"
    if not options.only or not path.is_file():
        return {}
    former: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dict(former["parts"]) if (former["machine"], former["tiny"]) == (here, options.tiny) else {}


if __name__ == "__main__":
    sys.exit(main())

"""A worker whose runs take a millisecond; one try of twenty fails, or kills the worker: `python -m tests.faults.week_worker`."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.report_size import write_result
from m2pt.runs.failure import Failure, write_failure
from m2pt.runs.folder import FAILURE, read_spec
from m2pt.runs.spec import RunSpec

FAILS, DIES = 0.03, 0.02
TRIES = "local/tries.txt"
"""One line for each try: `fails`, `dies`, or `done` when it has a result."""


def main() -> None:
    """Answer runs until standard input ends."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        run_dir = Path(json.loads(line)["run_dir"])
        before = (run_dir / TRIES).read_text().splitlines() if (run_dir / TRIES).is_file() else []
        drawn = random.Random(f"{run_dir.name} {len(before)}").random()
        what = "fails" if drawn < FAILS else "dies" if drawn < FAILS + DIES else "done"
        with (run_dir / TRIES).open("a") as file:
            file.write(f"{what}\n")
        if what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
        error = None
        if what == "fails":
            error = f"{run_dir.name}: was drawn to fail."
            write_failure(run_dir, Failure(error=error, details=""))
        else:
            (run_dir / FAILURE).unlink(missing_ok=True)
            spec = read_spec(run_dir)
            assert isinstance(spec, RunSpec)
            write_result(run_dir, spec, np.random.default_rng(spec.seed))
        print(json.dumps({"run_dir": str(run_dir), "status": "failed" if error else "complete", "error": error}), flush=True)


if __name__ == "__main__":
    main()

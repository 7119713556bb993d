"""A worker whose runs sleep for some seconds and leave a complete record: `python benchmarks/noop_worker.py SECONDS`."""

import json
import sys
import time
from pathlib import Path

import numpy as np
from report_size import write_result

from m2pt.runs.folder import read_spec
from m2pt.runs.spec import RunSpec


def main() -> None:
    """Answer runs until standard input ends."""
    seconds = float(sys.argv[1])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        run_dir = Path(json.loads(line)["run_dir"])
        time.sleep(seconds)
        spec = read_spec(run_dir)
        assert isinstance(spec, RunSpec)
        write_result(run_dir, spec, np.random.default_rng(spec.seed))
        print(json.dumps({"run_dir": str(run_dir), "status": "complete", "error": None}), flush=True)


if __name__ == "__main__":
    main()

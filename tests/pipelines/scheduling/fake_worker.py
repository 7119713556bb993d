"""A worker that answers at once: it does no training, dies the first time where it is told to, and fails where it is told to.

`fake_worker.py DIES FAILS`: parts of run ids.
"""

import json
import os
import sys
from pathlib import Path

dies, fails = sys.argv[1:3]
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    run_dir = Path(json.loads(line)["run_dir"])
    tries = run_dir / "local/tries.txt"
    count = int(tries.read_text()) + 1 if tries.is_file() else 1
    tries.write_text(str(count))
    if dies in run_dir.name and count == 1:
        os._exit(9)
    answer = {"run_dir": str(run_dir), "status": "complete", "error": None}
    if fails in run_dir.name:
        answer |= {"status": "failed", "error": "the moon was in the way."}
        (run_dir / "local/failure.json").write_text(json.dumps({"error": answer["error"], "details": "", "kind": "error"}))
    else:
        (run_dir / "local/failure.json").unlink(missing_ok=True)
        (run_dir / "record.json").write_text(json.dumps({"val_score": 12.5, "test_score": 25.0}))
    print(json.dumps(answer), flush=True)

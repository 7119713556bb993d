"""A worker that answers at once: it does no training, dies the first time where it is told to, and fails where it is told to.

`fake_worker.py DIES FAILS`: parts of run ids.
"""

import json
import os
import sys
from pathlib import Path


def record(run_dir: Path) -> dict[str, object]:
    kind = json.loads((run_dir / "spec.json").read_text())["spec"]["kind"]
    scores = {"run_id": run_dir.name, "kind": kind, "metric": "accuracy", "val_score": 12.5, "parameters": 1, "files": {}}
    if kind == "pretrain":
        return scores
    scores |= {"score": "last", "epoch": 1, "test_score": 25.0, "test_scores": {"accuracy": 25.0}, "val_samples": 8}
    scores |= {"test_samples": 8, "classes": ["a", "b"], "confusion": None, "trainable_parameters": 1, "merge": None}
    return scores | {"scales": {}, "effective_sizes": {}, "scale_abs_mean": None, "effective_size_mean": None}


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
        (run_dir / "record.json").write_text(json.dumps(record(run_dir)))
    print(json.dumps(answer), flush=True)

"""A worker that speaks the protocol and behaves as each run asks it to in its `local/inputs.json`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

lines, line_came = [], threading.Condition()


def listen():
    for line in sys.stdin:
        with line_came:
            lines.append(json.loads(line))
            line_came.notify()
    os._exit(0)


threading.Thread(target=listen, daemon=True).start()
print("starting up, in words that are no message")
print(json.dumps({"ready": True}), flush=True)
while True:
    with line_came:
        line_came.wait_for(lambda: lines)
        run_dir = Path(lines.pop(0)["run_dir"])
    asked = json.loads(json.loads((run_dir / "local/inputs.json").read_text())["data"])
    trace = {"pid": os.getpid(), "start": time.monotonic(), "env": dict(os.environ)}
    trace["devices"] = os.environ["CUDA_VISIBLE_DEVICES"]
    if asked.get("child"):
        trace["child"] = subprocess.Popen(["sleep", "600"]).pid
    (run_dir / "trace.json.part").write_text(json.dumps(trace))
    (run_dir / "trace.json.part").rename(run_dir / "trace.json")
    if "meet" in asked:  # jobs that run side by side find one another, whenever each of them starts
        meeting = Path(asked["meet"])
        (meeting / run_dir.name).touch()
        while len(list(meeting.iterdir())) < 2:
            time.sleep(0.01)
    if asked.get("frozen"):
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(asked.get("seconds", 0))
    if "signal" in asked:
        os.kill(os.getpid(), asked["signal"])
    if "exit" in asked:
        print("the last words", file=sys.stderr, flush=True)
        os._exit(asked["exit"])
    if asked.get("record"):
        (run_dir / "record.json").write_text("{}")
        os._exit(1)
    (run_dir / "trace.json").write_text(json.dumps(trace | {"end": time.monotonic()}))
    if asked.get("told"):  # as a worker that receives a signal
        print(json.dumps({"run_dir": str(run_dir), "status": "interrupted", "error": "was stopped"}), flush=True)
        time.sleep(600)
    error = asked.get("error")
    if not error and not asked.get("forget"):
        (run_dir / "record.json").write_text("{}")
    print("noise on standard output")
    answer = {"run_dir": str(run_dir), "status": "failed" if error else "complete", "error": error}
    print(json.dumps(answer), flush=True)

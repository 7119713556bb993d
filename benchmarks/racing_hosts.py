"""Two hosts race for the same run while their jobs are frozen, slowed and killed: no two of them ever write it at the same time.

    .venv/bin/python benchmarks/racing_hosts.py [--rounds 200] [--seed 1] [--keep FOLDER]

Each round is one small run and two hosts (namespaces of this machine with a host name, a network and mounts of their own, which
share the folder). Both start a job on it, and what happens to these follows from the seed: nothing, SIGSTOP for less or more than
a lease lasts, SIGKILL and a new start on the same host, each at a random moment or exactly between the last look at the lease and
the rename of a file. Jobs are those of `m2pt.job`, with leases of seconds instead of half a minute. They leave a trace of when
they took the lease, began a step, and wrote a file. Expect 0 files written and 0 steps begun by a job after another one took the
run over, and the bytes of a run that nobody disturbed.

A step that a job had begun when it was frozen is finished when it wakes; nothing of it is kept.
"""

import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

EXPIRY_S = 1.5
"""Seconds; the other times of the leases have the same proportion to it as in earnest."""

STEPS = 60
"""Steps of a run, in three epochs, with a checkpoint after every fifth."""

LIMIT_S = 120.0
"""What a round may take on a busy machine."""

KINDS = ("calm", "slow", "frozen", "frozen in a write", "killed", "killed in a write", "frozen and killed")
HOSTS = ("north", "south")
COMPARED = ("record.json", "history.jsonl", "merged.safetensors")


def host() -> None:
    """A host: imports everything once, then starts a job for each order that it reads and tells how each ended."""
    from m2pt import job  # noqa: F401 - it takes seconds, once
    from m2pt.runs.source import code_sha256

    code_sha256()
    print(json.dumps({"ready": True}), flush=True)
    going: set[int] = set()
    while True:
        if select.select([sys.stdin], [], [], 0.01)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            order = json.loads(line)
            if (pid := os.fork()) == 0:
                work(**order)
            going.add(pid)
            print(json.dumps({"started": pid}), flush=True)
        for pid in list(going):
            if os.waitpid(pid, os.WNOHANG)[0]:
                going.remove(pid)
                print(json.dumps({"ended": pid}), flush=True)


def work(run_dir: str, trace: str, write: int, number: int) -> None:
    """One job; the signal `number` meets it (0: none) in its write of that order."""
    from m2pt import job
    from m2pt.files import documents, leases, markers
    from m2pt.training import holding, journal
    from m2pt.training.loop import Trainer

    markers.EXPIRY_S, markers.HEARTBEAT_S, markers._GRACE_S = EXPIRY_S, EXPIRY_S / 6, EXPIRY_S / 20
    holding._LOOK_S = EXPIRY_S / 30
    out = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: str, what: str = "") -> None:
        line = {"at": time.monotonic(), "pid": os.getpid(), "event": event, "what": what}
        os.write(out, (json.dumps(line) + "\n").encode())

    take, begin, epoch, ask, replace = leases._take, documents.fenced, Trainer.epoch, leases.require_leases, Path.replace
    writes = 0

    def taken(*arguments: Any) -> None:
        take(*arguments)
        note("took")

    def begun(lease: Any) -> Any:
        note("begins")
        return begin(lease)

    def asked() -> None:
        nonlocal writes
        ask()
        writes += 1
        if number and writes == write:
            note("meets", signal.Signals(number).name)
            os.kill(os.getpid(), number)

    def replaced(source: Path, target: Path) -> Path:
        note("writes", str(target))
        done = replace(source, target)
        note("wrote", str(target))
        return done

    def steps(trainer: Trainer) -> Iterator[int]:
        inner = epoch(trainer)
        while True:
            note("step")
            try:
                done = next(inner)
            except StopIteration:
                return
            yield done

    leases._take, documents.fenced, documents.require_leases, Path.replace = taken, begun, asked, replaced  # type: ignore
    journal.require_leases, Trainer.epoch = asked, steps  # type: ignore
    with Path(f"{trace}.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    job._STOP.obey_signals()
    code = job.main([run_dir])
    note("ends", str(code))
    os._exit(code)


class Host:
    """The jobs of one host."""

    def __init__(self, name: str) -> None:
        named = ["unshare", "-n", "-m", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        command = [*named, sys.executable, __file__, "--host"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._told = self._process.stdout
        self.going: set[int] = set()
        self._next()

    def _next(self) -> dict[str, Any]:
        line = self._told.readline() if self._told else ""
        if not line:
            raise RuntimeError("a host has ended; is this user permitted to make namespaces?")
        message: dict[str, Any] = json.loads(line)
        self.going.discard(message.get("ended", 0))
        return message

    def start(self, run_dir: Path, trace: Path, write: int = 0, number: int = 0) -> int:
        """Start a job; returns its process id."""
        order = {"run_dir": str(run_dir), "trace": str(trace), "write": write, "number": number}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        while "started" not in (message := self._next()):
            pass
        self.going.add(message["started"])
        return int(message["started"])

    def look(self) -> bool:
        """Hear what has ended; returns whether a job goes on."""
        while self._told and select.select([self._told], [], [], 0)[0]:
            self._next()
        return bool(self.going)

    def close(self) -> None:
        """End the host."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def events_of(trace: Path) -> list[dict[str, Any]]:
    if not trace.exists():
        return []
    return sorted((json.loads(line) for line in trace.read_text().splitlines()), key=lambda event: event["at"])


def until(condition: Any, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def play(kind: str, run_dir: Path, trace: Path, hosts: list[Host], draw: random.Random) -> None:
    """One round: two jobs, and what happens to the one that holds the lease."""
    first, second = draw.sample(hosts, 2)
    met = {"frozen in a write": signal.SIGSTOP, "killed in a write": signal.SIGKILL}.get(kind, 0)
    pids = {first.start(run_dir, trace, draw.randint(1, 25), met): first}
    time.sleep(draw.choice([0.0, draw.uniform(0, 0.3)]))
    pids[second.start(run_dir, trace)] = second

    def holder() -> int | None:
        took = [event["pid"] for event in events_of(trace) if event["event"] == "took"]
        return took[-1] if took else None

    def goes_on(pid: int) -> bool:
        pids[pid].look()
        return pid in pids[pid].going

    def send(pid: int, number: int) -> None:
        if goes_on(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(pid: int, factor: tuple[float, float]) -> None:
        send(pid, signal.SIGSTOP)
        time.sleep(draw.uniform(*factor) * EXPIRY_S)
        send(pid, signal.SIGCONT)

    moment = draw.randint(0, STEPS + STEPS // 4)

    def is_the_moment() -> bool:
        noted = trace.read_text() if trace.exists() else ""
        return noted.count('"step"') >= moment or '"meets"' in noted or not any([goes_on(pid) for pid in pids])

    until(is_the_moment, LIMIT_S)
    victim = holder() or next(iter(pids))
    if kind == "slow":
        freeze(victim, (0.1, 0.6))
    elif kind == "frozen":
        freeze(victim, (0.8, 2.5))
    elif kind == "frozen in a write":
        time.sleep(draw.uniform(0.8, 2.5) * EXPIRY_S)
        for pid in pids:
            send(pid, signal.SIGCONT)
    elif kind.startswith("killed"):
        send(victim, signal.SIGKILL)
        time.sleep(draw.uniform(0, EXPIRY_S))
        pids[pids[victim].start(run_dir, trace)] = pids[victim]
    elif kind == "frozen and killed":
        send(victim, signal.SIGSTOP)
        until(lambda: holder() != victim, 3 * EXPIRY_S)
        time.sleep(draw.uniform(0, 0.5))
        send(holder() or victim, signal.SIGKILL)
        time.sleep(draw.uniform(0, EXPIRY_S))
        send(victim, signal.SIGCONT)
        pids[first.start(run_dir, trace)] = first
    for _ in range(20):
        until(lambda: not any([host.look() for host in hosts]), LIMIT_S)
        if (run_dir / "record.json").exists():
            break
        pids[draw.choice(hosts).start(run_dir, trace)] = first  # all were stopped: as the next start of a sweep


def judge(trace: Path) -> Counter[str]:
    """What a trace shows: takeovers, and what a job did after another one had taken the run over."""
    events, found = events_of(trace), Counter[str]()
    took = [event for event in events if event["event"] == "took"]
    began = {event["pid"]: event["at"] for event in events if event["event"] == "begins"}
    intended: dict[tuple[int, str], float] = {}
    for event in events:
        intended |= {(event["pid"], event["what"]): event["at"]} if event["event"] == "writes" else {}
        mine = max((other["at"] for other in took if other["pid"] == event["pid"]), default=None)
        others = [other for other in took if other["pid"] != event["pid"]]
        later = [other for other in others if mine is not None and mine < other["at"] < event["at"]]
        if not later:
            continue
        found["steps begun after a takeover"] += event["event"] == "step"
        if event["event"] == "wrote" and event["at"] > min(began.get(other["pid"], event["at"]) for other in later):
            before = intended[event["pid"], event["what"]] < later[0]["at"]
            found["writes during which a takeover came" if before else "files written after a takeover"] += 1
        found["jobs that woke up and ended"] += event["event"] == "ends" and event["what"] == "75"
    ended = {event["pid"]: event["at"] for event in events if event["event"] == "ends"}
    found["takeovers"] = sum(
        other["at"] > one["at"] and ended.get(one["pid"], float("inf")) > other["at"] for one, other in pairwise(took)
    )
    found["leases taken"] = len(took)
    return found


def template(folder: Path) -> Path:
    """A run of a second or two, as a sweep would leave it before its job."""
    from m2pt.config import EmbeddedData, FinetuneConfig, ImageInput, ModelConfig
    from m2pt.data.fingerprints import fingerprint
    from m2pt.modalities.image import embedded
    from m2pt.runs.folder import create_run
    from m2pt.runs.inputs import JobInputs, write_inputs
    from m2pt.runs.spec import RunSpec

    embedded.write(folder / "image", EmbeddedData(pretrain=20, train=40, val=20, test=20))
    spec = RunSpec(
        target="image", modality="image", auxiliary="", method="baseline", setting="scratch", tuning="full", seed=0,
        input=ImageInput(), model=ModelConfig(width=24, depth=2, heads=2),
        finetune=FinetuneConfig(samples=20, epochs=3, batch_size=1, warmup_steps=1), pathway=None,
        data_sha256=fingerprint(folder / "image", folder / "cache"), target_weights=None, auxiliary_weights=None,
    )  # fmt: skip
    run_dir = create_run(folder / "template", spec)
    inputs = JobInputs(data=str(folder / "image"), cache=str(folder / "cache"), checkpoint_every_steps=5)
    write_inputs(run_dir, inputs)
    return run_dir


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the traces")
    parser.add_argument("--each", action="store_true", help="one kind of round after the other, not drawn")
    parser.add_argument("--host", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.host:
        host()
        return 0
    total, draw, started = Counter[str](), random.Random(asked.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="m2pt racing ") as name:
        folder = asked.keep or Path(name)
        made = template(folder)
        hosts = [Host(each) for each in HOSTS]
        whole = shutil.copytree(made, folder / "whole" / made.name)
        hosts[0].start(whole, folder / "whole.trace")
        until(lambda: not hosts[0].look(), LIMIT_S)
        for number in range(asked.rounds):
            kind = KINDS[number % len(KINDS)] if asked.each else draw.choice(KINDS)
            run_dir = shutil.copytree(made, folder / str(number) / made.name)
            play(kind, run_dir, folder / f"{number}.trace", hosts, draw)
            found = judge(folder / f"{number}.trace")
            found["other bytes"] = sum((run_dir / each).read_bytes() != (whole / each).read_bytes() for each in COMPARED)
            total += found | Counter({f"rounds {kind}": 1})
            print(f"{number:3} {kind:18} {dict(+found)}", flush=True)
        for each in hosts:
            each.close()
    faults = {name: total[name] for name in ("files written after a takeover", "steps begun after a takeover", "other bytes")}
    print(json.dumps(dict(sorted(total.items())) | faults | {"seconds": round(time.monotonic() - started)}))
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())

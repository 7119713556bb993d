"""Random kills (SIGKILL) of whatever process of a study, on each engine; the study is started again until it is complete.

A life is a study from its data to its report, with several kills in it. What it does follows from its seed, except for what the
machine's load changes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.faults.crashes import ORPHANS_END_S, PLAIN, Crashes, let_time_pass
from tests.faults.project import OF_STUDY, Harm, finished, harm_of, remove, state_of, touched, variables

ENGINES = ("local", "ray") if find_spec("ray") else ("local",)
KILLS_IN_A_LIFE = 6
_MARK = "M2PT_FAULTS_LIFE"
_ORPHANS_END_S = {"local": ORPHANS_END_S, "ray": 40.0}
"""Ray's own processes look every some seconds whether the one that they belong to is there."""

_LONGEST_WAIT_S = {"local": 5.0, "ray": 8.0}
_STARTS = 4
_LIMIT_S = 300.0


@dataclass
class Life:
    """One study with kills: how many there were, of what kinds of processes, and what they did."""

    kills: int
    kinds: list[str]
    harm: Harm


def processes(mark: str) -> dict[int, str]:
    """The processes of a life with the kind of each."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if words and state != b"Z":
                    found[int(process.name)] = _kind(words)
        except OSError:
            continue
    return found


def _kind(words: str) -> str:
    kinds = (
        ("m2pt.job", "worker"), ("server_process", "server"), ("pipelines", "driver"), ("ray::", "actor"), ("gcs_server", "gcs"),
        ("raylet", "raylet"),
    )  # fmt: skip
    return next((kind for part, kind in kinds if part in words), "other")


def live(crashes: Crashes, engine: str, seed: int, kills: int = KILLS_IN_A_LIFE) -> Life:
    """A life with so many kills at most."""
    return _Life(crashes, engine, seed).live(kills)


class _Life:
    def __init__(self, crashes: Crashes, engine: str, seed: int) -> None:
        self._crashes = crashes
        self._root = crashes.project.root
        self._engine = engine
        self._draw = random.Random(seed)
        self._mark = f"{os.getpid()}-{engine}-{seed}-{time.time_ns()}"
        self._life = Life(0, [], Harm())
        self._said = crashes.project.work / "life.txt"

    def live(self, kills: int) -> Life:
        project, harm = self._crashes.project, self._life.harm
        self._crashes.restore("complete")
        remove(self._root, "build", "mlflow.db*", "mlartifacts", "runs", "encoders", ".m2pt/cache")
        process = self._start()
        while self._life.kills < kills and process.poll() is None:
            process = self._kill_one(process)
        last = time.monotonic()
        for _ in range(_STARTS):
            try:
                code = process.wait(_LIMIT_S)
            except subprocess.TimeoutExpired:
                harm.lost.append(f"the study had not ended after {_LIMIT_S:g} s: {self._said.read_text()[-500:]}")
                self._end_all()
                break
            if code == 0:
                break
            process = self._start()
        else:
            harm.lost.append(f"{_STARTS} further starts did not complete the study: {self._said.read_text()[-500:]}")
        harm.seconds = time.monotonic() - last
        harm.lost += self._left()
        self._end_all()
        let_time_pass(self._root)
        if self._engine != "local":  # which the report names
            project.do(PLAIN, *OF_STUDY)
        project.do("pipelines", "sweep", *OF_STUDY)
        harm.add(harm_of(state_of(self._root), self._crashes.wanted))
        return self._life

    def _start(self) -> "subprocess.Popen[bytes]":
        (self._root / "tmp").mkdir(exist_ok=True)
        with self._said.open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "pipelines", "study", *OF_STUDY, "--engine", self._engine],
                cwd=self._root, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                env=variables(self._root) | {_MARK: self._mark, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
            )  # fmt: skip

    def _kill_one(self, process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
        """Wait, kill a process, and go on; returns the process of the study, which may be a new one."""
        until = time.monotonic() + self._draw.uniform(0.2, _LONGEST_WAIT_S[self._engine])
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        if process.poll() is not None:
            return process if process.returncode == 0 else self._start()
        alive = processes(self._mark)
        kinds = sorted(set(alive.values()) - {"server", "other"})
        if not kinds:
            return process
        kind = self._draw.choice(kinds)
        victim = self._draw.choice(sorted(pid for pid, of in alive.items() if of == kind))
        before = finished(self._root)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return process
        self._life.kills += 1
        self._life.kinds.append(kind)
        if victim == process.pid:
            process.wait()
            self._life.harm.lost += self._left()
            self._end_all()
            process = self._start()
        self._life.harm.lost += touched(before, self._root)
        return process

    def _left(self) -> list[str]:
        """What goes on although the study has ended, or was killed, and everything has had its time to end."""
        limit_s = _ORPHANS_END_S[self._engine]
        deadline = time.monotonic() + limit_s
        while (left := processes(self._mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [f"after {limit_s:g} s a process goes on: {kind} {pid}" for pid, kind in left.items()]

    def _end_all(self) -> None:
        for pid in processes(self._mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

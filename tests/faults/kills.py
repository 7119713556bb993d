"""Random kills (SIGKILL) of whatever process of a study, on each engine; the study is started again until it is complete.

A life is a study from its data to its report and what is published of it, with several kills in it. What it does follows from its
seed, except for what the machine's load changes.
"""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec

from tests.faults.crashes import PLAIN, Crashes, let_time_pass
from tests.faults.life_processes import MARK, end, kill, processes
from tests.faults.project import NAME, OF_STUDY, Harm, finished, harm_of, only_declared, remove, state_of, touched, variables
from tests.pipelines.execution.slurm_cluster import MISSING, SlurmCluster, slurm_cluster

_HERE = {"local": True, "ray": find_spec("ray") is not None, "slurm": not MISSING and find_spec("submitit") is not None}
SHARES = {engine: share for engine, share in (("local", 5), ("ray", 3), ("slurm", 2)) if _HERE[engine]}
"""How many of ten kills each engine has that is installed."""

KILLS_IN_A_LIFE = 40
_LATEST_S = {"driver": 8.0, "worker": 4.0, "server": 4.0}
"""How long after the first of its kind was seen a process is killed, at the latest."""

_OTHERS_LATEST_S = 6.0
_VICTIMS = {
    "local": ("driver", "worker", "worker", "server"),
    "ray": ("driver", "worker", "worker", "actor", "actor", "server", "gcs", "raylet", "helper"),
    "slurm": ("driver", "worker", "worker", "job", "job", "script", "server"),
}
"""What kinds of processes are killed, and how often beside each other."""

_REACHES = ("one", "one", "kind", "all")
"""Whether one process is killed, all of its kind, or all at once, as when the power fails."""

_ORPHANS_END_S = {"local": 40.0, "ray": 75.0, "slurm": 40.0}
"""A worker that imports notices nothing before it is ready. Ray's agents may try for a minute to reach what is gone."""

_PATIENCE_S = {"worker": 60.0, "actor": 60.0, "job": 60.0}
_OTHERS_PATIENCE_S = 12.0
"""How long a process of a kind is waited for; one of these is there later than others, and comes again when it was killed."""

_STARTS, _LIMIT_S = 5, 600.0


@dataclass
class Life:
    """One study with kills: of what kinds of processes, and what they did."""

    kinds: Counter[str] = field(default_factory=Counter)
    moments: int = 0
    """In how many moments they were killed."""

    harm: Harm = field(default_factory=Harm)


class Lives:
    """Lives on an engine, one after another."""

    def __init__(self, crashes: Crashes, engine: str) -> None:
        self._crashes = crashes
        self._engine = engine
        self._open = ExitStack()
        self._cluster: SlurmCluster | None = None

    def __enter__(self) -> "Lives":
        if self._engine == "slurm":
            self._cluster = self._open.enter_context(slurm_cluster())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def live(self, seed: int, kills: int = KILLS_IN_A_LIFE) -> Life:
        """A life with so many kills at most."""
        if self._cluster is not None:
            return _LifeOnSlurm(self._crashes, self._engine, seed, self._cluster).live(kills)
        return _Life(self._crashes, self._engine, seed).live(kills)


class _Life:
    def __init__(self, crashes: Crashes, engine: str, seed: int) -> None:
        self._crashes = crashes
        self._root = crashes.project.root
        self._engine = engine
        self._draw = random.Random(seed)
        self._mark = f"{engine}-{seed}-{time.time_ns()}"
        self._life = Life()
        self._said = crashes.project.work / "life.txt"
        self._temporary = crashes.project.work / "t"  # short, since Ray puts sockets there
        self._finished: dict[str, tuple[int, int]] = {}

    def live(self, kills: int) -> Life:
        harm = self._life.harm
        self._crashes.restore("complete")
        self._undo()
        self._process = self._start()
        while self._life.kinds.total() < kills // 2 and (victims := self._victims()):
            self._kill(victims)
        self._go_on_to_the_end()
        harm.lost += self._left()
        end(self._mark)
        self._compare()
        self._do_runs_with_kills(kills // 4)
        self._publish_with_kills(kills // 4)
        shutil.rmtree(self._temporary, ignore_errors=True)
        return self._life

    def _undo(self) -> None:
        """Leave of the complete study what a life begins with."""
        remove(self._root, "build", "mlflow.db*", "mlartifacts", "runs", "encoders", ".m2pt/cache")

    def _variables(self) -> dict[str, str]:
        return variables(self._root) | {MARK: self._mark, "TMPDIR": str(self._temporary)}

    def _start(self) -> "subprocess.Popen[bytes]":
        self._temporary.mkdir(exist_ok=True)
        with self._said.open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "pipelines", "study", *OF_STUDY, "--engine", self._engine],
                cwd=self._root, env=self._variables(), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def _is_over(self) -> bool:
        """Whether the study is complete; a command that has ended before that is started again, once all of it has ended."""
        code = self._process.poll()
        if code is None:
            return False
        if code:
            self._life.harm.lost += self._left()
            end(self._mark)
            self._process = self._start()
        return code == 0

    def _victims(self) -> dict[int, str]:
        """Processes of a kind that is drawn, after a while that is drawn; none if the study is complete before that."""
        kind, reach, since = self._draw.choice(_VICTIMS[self._engine]), self._draw.choice(_REACHES), None
        wait_s = self._draw.uniform(0.0, _LATEST_S.get(kind, _OTHERS_LATEST_S))
        began = time.monotonic()
        while not self._is_over():
            alive = processes(self._mark)
            if kind not in alive.values() and time.monotonic() - began > _PATIENCE_S.get(kind, _OTHERS_PATIENCE_S):
                kind = self._draw.choice(sorted({*alive.values()} & {*_VICTIMS[self._engine]}) or [kind])
            of_kind = sorted(pid for pid, of in alive.items() if of == kind)
            since = (since or time.monotonic()) if of_kind else None
            if since and time.monotonic() - since >= wait_s:
                chosen = alive if reach == "all" else of_kind if reach == "kind" else [self._draw.choice(of_kind)]
                return {pid: alive[pid] for pid in chosen}
            time.sleep(0.1)
        return {}

    def _kill(self, victims: dict[int, str]) -> None:
        self._life.moments += 1
        for pid, kind in victims.items():
            self._life.kinds[kind] += kill(pid) and kind != "other"
        if self._process.pid in victims:
            self._process.wait()
        self._look()

    def _look(self) -> None:
        """Note what was done to finished runs since the last look."""
        self._life.harm.lost += touched(self._finished, self._root)
        self._finished = finished(self._root)

    def _go_on_to_the_end(self) -> None:
        """Let the study come to its end, with some starts."""
        for _ in range(_STARTS):
            last, process = time.monotonic(), self._process
            while not (over := self._is_over()) and process is self._process and time.monotonic() - last < _LIMIT_S:
                time.sleep(0.1)
            if over or process is self._process:
                break
        said = self._said.read_text(errors="replace")[-500:]
        self._life.harm.seconds = time.monotonic() - last
        if not over:
            self._life.harm.lost.append(f"the study was not complete after {_STARTS} further starts, or {_LIMIT_S:g} s: {said}")

    def _compare(self) -> None:
        let_time_pass(self._root)
        if self._engine != "local":  # which the report names
            self._must(PLAIN, *OF_STUDY)
        self._must("pipelines", "sweep", *OF_STUDY)
        self._look()
        self._life.harm.add(harm_of(state_of(self._root), self._crashes.wanted))

    def _must(self, *words: str) -> None:
        ended = self._crashes.project.zygote.run(*words)
        self._life.harm.lost += [f"{' '.join(words)} ended with {ended.code}: {ended.said[-500:]}"] if ended.code else []

    def _do_runs_with_kills(self, kills: int) -> None:
        """Do some runs once more, each by a process of its own, and again when it was done too soon."""
        run_dirs = sorted(path.parent.relative_to(self._root) for path in self._root.glob(f"runs/{NAME}/*/record.json"))
        for run_dir in self._draw.sample(run_dirs, min(3, kills)):
            done = True
            for _ in range(kills // 3):
                if done:
                    only_declared(self._root / run_dir)
                done = not self._killed("job alone", 0.4, "m2pt.job", str(run_dir))
            self._must("m2pt.job", str(run_dir))
        self._life.harm.add(harm_of(state_of(self._root), self._crashes.wanted, ("runs/",)))

    def _publish_with_kills(self, kills: int) -> None:
        """Publish everything once more, into a new database, and again when it was done too soon."""
        publish = ("pipelines", "publish", *OF_STUDY)
        done = True
        for _ in range(kills):
            if done:
                remove(self._root, "mlflow.db*", "mlartifacts")
            done = not self._killed("publisher", 1.5, *publish)
        self._must(*publish)
        self._life.harm.add(harm_of(state_of(self._root), self._crashes.wanted, ("mlflow.db",)))

    def _killed(self, kind: str, latest_s: float, *words: str) -> bool:
        """Start a command and kill it; whether it had not ended before."""
        started = self._crashes.project.zygote.start(*words)
        time.sleep(self._draw.uniform(0.0, latest_s))
        kill(started[0])
        killed = self._crashes.project.zygote.wait(started).code == -signal.SIGKILL
        self._life.kinds[kind] += killed
        self._life.moments += killed
        return killed

    def _left(self) -> list[str]:
        """What goes on although the study has ended, or was killed, and everything has had its time to end."""
        limit_s = _ORPHANS_END_S[self._engine]
        deadline = time.monotonic() + limit_s
        while (left := processes(self._mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [f"after {limit_s:g} s a process goes on: {kind} {pid}" for pid, kind in left.items()]


class _LifeOnSlurm(_Life):
    """A study whose jobs go on by themselves; a few runs and an encoder are to be done."""

    def __init__(self, crashes: Crashes, engine: str, seed: int, cluster: SlurmCluster) -> None:
        super().__init__(crashes, engine, seed)
        self._cluster = cluster
        self._asked = 0.0

    def _undo(self) -> None:
        remove(self._root, "build", "mlflow.db*", "mlartifacts")
        runs = sorted(path.parent for path in self._root.glob(f"runs/{NAME}/*/record.json"))
        for run_dir in [self._root / self._crashes.encoder, *self._draw.sample(runs, 4)]:
            only_declared(run_dir)

    def _variables(self) -> dict[str, str]:
        return super()._variables() | {name: self._cluster.environment[name] for name in ("SLURM_CONF", "PATH")}

    def _is_over(self) -> bool:
        if (code := self._process.poll()) is None:
            return False
        if code == 0 and (self._root / "build" / NAME / "reports" / "index.html").is_file():
            return True
        if code or self._is_idle():
            self._process = self._start()
        return False

    def _is_idle(self) -> bool:
        """Whether the queue is empty; looked at each second."""
        if time.monotonic() - self._asked < 1.0:
            return False
        self._cluster.hurry()
        self._asked = time.monotonic()
        return not self._cluster.queue()

    def _left(self) -> list[str]:
        self._cluster.work_off()
        return super()._left()

"""A study of twelve runs with two encoders, done within seconds: its folder in several states, and what is in it in the end."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.boundaries import pattern
from tests.faults.zygote import Zygote

NAME = "tiny"
STUDY = """
study: tiny
data:
  root: data
  embedded: {seed: 0, pretrain: 16, train: 16, val: 16, test: 16}
model: {width: 16, depth: 1, heads: 2}
encoders:
  mae: {kind: mae}
pretrain:
  mae: {batch_size: 8, steps: 4, warmup_steps: 1}
finetune: {batch_size: 8, samples: 16, epochs: 3, warmup_steps: 1, augment: false}
sweep:
  seeds: [0, 1]
  targets: [image, point]
  auxiliaries: [image, point]
  methods: [baseline, pathway, random_auxiliary]
  target_encoder: mae
  auxiliary_encoder: mae
execution: {devices: cpu, slots: 2}
"""
OF_STUDY = ("--study", f"{NAME}.yaml")
RUNS = 12

_KEPT = ("data/", "encoders/", "runs/", f"build/{NAME}/reports/")
_VARIES = ("/local/", "runs/looks.jsonl")
"""What differs between two executions, by a part of its path."""

_PASSING = (
    "tmp/",
    ".m2pt/slurm/",
    ".prefect/",
    ".m2pt/logs/",
    ".m2pt/flow-runs/",
    ".m2pt/matplotlib/",
    "out.txt",
    "mlflow.db-wal",
    "mlflow.db-shm",
)
"""What nobody compares: of Prefect, of the system's folder for temporary files, logs."""

_MLARTIFACTS, _CACHE = "mlartifacts/", ".m2pt/cache/"
"""Of these it does not matter which there are, except for what is half-written."""


@dataclass(frozen=True)
class State:
    """What a project holds: each kept file with its content, each name of a file (what differs left out), and MLflow's points."""

    content: dict[str, bytes]
    names: frozenset[str]
    points: dict[str, Counter[tuple[str, int, float]]]


@dataclass
class Harm:
    """What an injected fault did that it must not do, in sentences, and how long the way back took."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        return [*self.lost, *self.doubled, *self.different]

    def add(self, other: "Harm") -> None:
        """Count another fault's harm too."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.different += other.different
        self.seconds = max(self.seconds, other.seconds)


def files(root: Path) -> Iterable[tuple[str, Path]]:
    """The files of a project with their paths in it."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            yield path.relative_to(root).as_posix(), path


def state_of(root: Path) -> State:
    """The state of a project."""
    content: dict[str, bytes] = {}
    names = set()
    for name, path in files(root):
        if name.startswith(_PASSING):
            continue
        kept_for_later = name.startswith(_CACHE) and not path.name.startswith(".") and "lease" not in path.name
        if not name.startswith(_MLARTIFACTS) and not kept_for_later:
            names.add(_nameless(path, root))
        if name.startswith(_KEPT) and not any(part in name for part in _VARIES):
            content[name] = path.read_bytes()
    return State(content, frozenset(names), points_of(root / "mlflow.db"))


def _nameless(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    return name if name.startswith((*_KEPT, "build/")) and "/." not in name else pattern(str(path), str(root)) or name


def points_of(database: Path) -> dict[str, Counter[tuple[str, int, float]]]:
    """The points of each run in MLflow; of the sweeps under `sweep`. What a run cost counts only when it is there twice."""
    points: dict[str, Counter[tuple[str, int, float]]] = {}
    if not database.is_file():
        return points
    with sqlite3.connect(database) as connection:
        query = (
            "SELECT r.run_uuid, (SELECT value FROM tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'm2pt.run_id'), r.status "
            "FROM runs r WHERE r.lifecycle_stage = 'active'"
        )
        for uuid, run_id, status in connection.execute(query).fetchall():
            name = run_id or "sweep"
            found = Counter[tuple[str, int, float]]({(f"status {status}", 0, 0.0): 1})
            costs = set()
            for key, step, value in connection.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (uuid,)):
                if not key.startswith("8_cost") or (key, step) in costs:  # a killed attempt leaves few of these
                    found[(key, step, value)] += 1
                costs.add((key, step))
            points[name] = points.get(name, Counter()) + found
    return points


def harm_of(found: State, wanted: State, only: tuple[str, ...] = ("",)) -> Harm:
    """What a project lacks, has twice or has otherwise than an undisturbed one, below some folders; `mlflow` means its points."""
    harm = Harm()
    for name, content in wanted.content.items():
        if name.startswith(only):
            if name not in found.content:
                harm.lost.append(f"{name} is missing")
            elif found.content[name] != content:
                harm.different.append(f"{name} has other bytes")
    extra = {name for name in found.names - wanted.names if name.startswith(only)}
    harm.different += [f"{name} is left behind" for name in sorted(extra)]
    if "mlflow.db".startswith(only):
        for run, points in wanted.points.items():
            if run == "sweep" and not "build/".startswith(only):  # it shows numbers of the report
                continue
            missing, more = points - found.points.get(run, Counter()), found.points.get(run, Counter()) - points
            harm.lost += [f"MLflow lacks {missing.total()} points of {run}: {next(iter(missing))}"] if missing else []
            harm.doubled += [f"MLflow has {more.total()} points too many of {run}: {next(iter(more))}"] if more else []
        harm.doubled += [f"MLflow has the run {run}" for run in set(found.points) - set(wanted.points)]
    return harm


def finished(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each kept file of the finished runs."""
    seen = {}
    for record in [*root.glob(f"runs/{NAME}/*/record.json"), *root.glob(f"encoders/{NAME}/*/record.json")]:
        for path in record.parent.iterdir():
            if path.is_file():
                status = path.stat()
                seen[path.relative_to(root).as_posix()] = status.st_ino, status.st_mtime_ns
    return seen


def touched(before: dict[str, tuple[int, int]], root: Path) -> list[str]:
    """The files of finished runs that are gone or were written again, in sentences."""
    harmed = []
    for name, was in before.items():
        path = root / name
        if not path.is_file():
            harmed.append(f"{name} of a finished run is gone")
        elif (path.stat().st_ino, path.stat().st_mtime_ns) != was:
            harmed.append(f"{name} of a finished run was written again")
    return harmed


def processes_in(folder: Path) -> list[str]:
    """The commands that go on in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                command = (process / "cmdline").read_text().replace("\0", " ")
                found += [f"{process.name} {command}"] if command else []
        except OSError:
            continue
    return found


def copy(source: Path, target: Path) -> None:
    """Copy a project with all times; what was at the target is gone."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)


def variables(root: Path) -> dict[str, str]:
    """The environment of a command in a project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {"TMPDIR": str(root / "tmp")}


def command(root: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Do a command as users do, in a process that imports everything itself."""
    (root / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=root, env=variables(root) | more, capture_output=True, text=True, timeout=600
    )


def remove(root: Path, *names: str) -> None:
    """Remove files and folders of a project."""
    for name in names:
        for path in root.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def only_declared(run_dir: Path) -> None:
    """Leave of a run what the plan makes before its job begins."""
    for path in [*run_dir.iterdir(), *(run_dir / "local").iterdir()]:
        if path.is_file() and path.name not in ("spec.json", "inputs.json"):
            path.unlink()


class Project:
    """The folder that faults happen in, always at the same place, and copies of it in several states beside it."""

    def __init__(self, work: Path) -> None:
        self.work = work.resolve()
        self.root = self.work / "project"
        self.zygote = Zygote(self.root, self.work / "said")
        self._states: set[str] = set()

    def close(self) -> None:
        """End the process that forks."""
        self.zygote.__exit__(None, None, None)

    def keep(self, name: str) -> None:
        """Remember the project as it is."""
        (self.work / "states").mkdir(exist_ok=True)
        copy(self.root, self.work / "states" / name)
        self._states.add(name)

    def restore(self, name: str) -> None:
        """Make the project what it was."""
        copy(self.work / "states" / name, self.root)
        (self.root / "tmp").mkdir(exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether a state was kept."""
        return name in self._states

    def do(self, *words: str) -> None:
        """Do a command that has to go well."""
        ended = self.zygote.run(*words)
        assert ended.code == 0, ended.said

    def run_dir(self, start: str) -> Path:
        """The folder of the first run or encoder whose name begins so, from the project's folder."""
        found = sorted([*self.root.glob(f"runs/{NAME}/{start}*"), *self.root.glob(f"encoders/{NAME}/{start}*")])
        return found[0].relative_to(self.root)

"""A crash at every boundary: each process is killed before, in and after each operation on a file; then it is started again.

The boundaries are found by tracing the scenarios, which go through everything that a study does, from its data to what is
published of it, and the way back from a crash. Each boundary is injected once, in the first scenario that comes to it.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.files.leftovers import OLD_S
from tests.faults.boundaries import Fault
from tests.faults.project import (
    NAME,
    OF_STUDY,
    STUDY,
    Harm,
    Project,
    State,
    command,
    finished,
    harm_of,
    only_declared,
    processes_in,
    remove,
    state_of,
    touched,
)  # fmt: skip

PLAIN = "tests.faults.plain"
_CHECKPOINT = "job | write | runs/tiny/RUN/local/.checkpoint.pt.TMP | m2pt.files.documents.write_atomic"
_TRIES = 3
"""The heartbeat of a lease comes by the clock: what is done before it may be done sooner than the next one."""

ORPHANS_END_S = 10.0
"""So long after a process was killed nothing of it goes on any more."""


_TRACKED = ("mlflow.db*", "mlartifacts")


@dataclass(frozen=True)
class Scenario:
    """A command in a state of a project, what is compared afterwards (by the start of a path), and what comes before that."""

    name: str
    state: str
    words: tuple[str, ...]
    compared: tuple[str, ...] = ("",)
    then: tuple[tuple[str, ...], ...] = ()
    between: tuple[tuple[str, ...], ...] = ()
    """What is done between the crash and the second start."""

    fresh: bool = False
    """Whether the command is started in a process that imports everything itself."""


@dataclass(frozen=True)
class Injection:
    """A kill at a boundary: `before`, `after`, or at the `half` of a write."""

    scenario: Scenario
    boundary: str
    when: str

    def __str__(self) -> str:
        return f"{self.scenario.name}: {self.when} {self.boundary}"


class Crashes:
    """The states of the project, what they come to undisturbed, and the injections."""

    def __init__(self, work: Path, report: bool = True) -> None:
        self.project = project = Project(work)
        self._log = project.work / "boundaries.txt"
        root = project.root
        (root / "tmp").mkdir(parents=True)
        (root / f"{NAME}.yaml").write_text(STUDY)
        project.keep("empty")
        project.do(PLAIN, *OF_STUDY, *([] if report else ["--only-runs"]))
        self.pathway = str(project.run_dir("image-from-point"))
        self.encoder = str(project.run_dir("point-mae"))
        project.do("pipelines", "publish", *OF_STUDY)
        project.keep("complete")
        self.wanted: State = state_of(root)

    def close(self) -> None:
        """End what it has started."""
        self.project.close()

    def restore(self, state: str) -> None:
        """Bring the project into a state, which is made at its first use."""
        if not self.project.has(state):
            self.project.restore("complete")
            getattr(self, f"_make_{state}")(self.project.root)
            self.project.keep(state)
        self.project.restore(state)

    def _make_trained(self, root: Path) -> None:
        remove(root, "build", *_TRACKED, "runs/looks.jsonl")

    def _make_unpublished(self, root: Path) -> None:
        remove(root, *_TRACKED)

    def _make_begun(self, root: Path) -> None:
        remove(root, self.pathway, self.encoder, *_TRACKED, ".m2pt/cache/capability")

    def _make_run(self, root: Path) -> None:
        self._without(root / self.pathway, "image-*")

    def _make_encoder(self, root: Path) -> None:
        self._without(root / self.encoder, "point-*")

    def _without(self, run_dir: Path, cache: str) -> None:
        """Everything is done and published except for a run, whose data are not in the cache."""
        remove(self.project.root, *_TRACKED, f".m2pt/cache/{cache}")
        only_declared(run_dir)
        self.project.do("pipelines", "publish", *OF_STUDY)

    def _make_interrupted(self, root: Path) -> None:
        """A run was killed while it wrote its second checkpoint."""
        self.restore("run")
        fault = Fault(str(root), deadly=_CHECKPOINT, when="half", skips=1)
        assert self.project.zygote.run("m2pt.job", self.pathway, fault=fault, kind="job").code == -signal.SIGKILL
        self.project.do("pipelines", "publish", *OF_STUDY)

    def _make_aside(self, root: Path) -> None:
        """Half of the runs were put aside, and the study declares them again."""
        (root / f"{NAME}.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0]"))
        self.project.do("pipelines", "sweep", *OF_STUDY)
        (root / f"{NAME}.yaml").write_text(STUDY)

    @property
    def scenarios(self) -> list[Scenario]:
        """The way of a study, in parts; the cheapest first."""
        publish = ("pipelines", "publish", *OF_STUDY)
        sweep = ("pipelines", "sweep", *OF_STUDY)
        of_report = ("build/", "runs/", "encoders/", "data/")
        trains = ("encoders/", "runs/", ".m2pt/cache/", "mlflow.db", "data/")
        return [
            Scenario("a run", "run", ("m2pt.job", self.pathway), trains, (publish, sweep), (publish,)),
            Scenario("a run goes on", "interrupted", ("m2pt.job", self.pathway), trains, (publish, sweep), (publish,)),
            Scenario("an encoder", "encoder", ("m2pt.job", self.encoder), trains, (publish, sweep), (publish,)),
            Scenario("runs come back", "aside", sweep, ("encoders/", "runs/", "data/")),
            Scenario("publishing", "unpublished", publish, ("mlflow.db", "runs/", "build/")),
            Scenario("the data", "empty", ("pipelines", "data", *OF_STUDY), ("data/",)),
            Scenario("runs", "begun", (PLAIN, *OF_STUDY, "--only-runs"), trains, (publish, sweep)),
            Scenario("a report", "trained", (PLAIN, *OF_STUDY), then=(sweep,)),
            Scenario("a study", "empty", (PLAIN, *OF_STUDY), then=(sweep,)),
            Scenario("a report in a flow", "trained", ("pipelines", "report", *OF_STUDY), of_report, (sweep,), fresh=True),
            Scenario("a study in a flow", "empty", ("pipelines", "study", *OF_STUDY), then=(sweep,), fresh=True),
        ]

    def trace(self, scenario: Scenario) -> list[str]:
        """The boundaries that a scenario comes to."""
        self.restore(scenario.state)
        self._log.unlink(missing_ok=True)
        ended = self._run(scenario, Fault(str(self.project.root), log=str(self._log)))
        assert ended[0] == 0, ended[1]
        return list(dict.fromkeys(self._log.read_text().splitlines()))

    def injections(self, scenarios: Sequence[Scenario]) -> list[Injection]:
        """All that these scenarios come to, each boundary once."""
        known: set[str] = set()
        found = []
        for scenario in scenarios:
            for boundary in self.trace(scenario):
                if boundary not in known:
                    known.add(boundary)
                    whens = ("before", "half", "after") if " | write | " in boundary else ("before", "after")
                    found += [Injection(scenario, boundary, when) for when in whens]
        return found

    def inject(self, injection: Injection) -> Harm:
        """What a crash does: nothing, if all is well."""
        root, scenario = self.project.root, injection.scenario
        died = root.with_name(f"{root.name}.died")
        for _ in range(_TRIES):
            self.restore(scenario.state)
            before = finished(root)
            died.unlink(missing_ok=True)
            code, said = self._run(scenario, Fault(str(root), deadly=injection.boundary, when=injection.when))
            if died.exists():
                break
        harm = Harm()
        if not died.exists():
            harm.lost.append(f"the boundary was not reached (exit code {code})")
        harm.lost += [f"after {ORPHANS_END_S:g} s goes on: {process}" for process in left_in(root)]
        harm.lost += touched(before, root)
        before = finished(root)
        for words in scenario.between:
            self._must(harm, words)
        started = time.monotonic()
        code, said = self._run(scenario, None)
        harm.seconds = time.monotonic() - started
        harm.lost += [f"the second start ended with {code}: {said[-500:]}"] if code else []
        let_time_pass(root)
        for words in scenario.then:
            self._must(harm, words)
        harm.lost += touched(before, root)
        harm.add(harm_of(state_of(root), self.wanted, scenario.compared))
        return harm

    def _must(self, harm: Harm, words: tuple[str, ...]) -> None:
        ended = self.project.zygote.run(*words)
        harm.lost += [f"{' '.join(words)} ended with {ended.code}: {ended.said[-500:]}"] if ended.code else []

    def _run(self, scenario: Scenario, fault: Fault | None) -> tuple[int, str]:
        if scenario.fresh:
            done = command(self.project.root, *scenario.words, **(fault.variables() if fault else {}))
            return done.returncode, done.stdout + done.stderr
        kind = "job" if scenario.words[0] == "m2pt.job" else "driver"
        ended = self.project.zygote.run(*scenario.words, fault=fault, kind=kind, TMPDIR=str(self.project.root / "tmp"))
        return ended.code, ended.said


def left_in(root: Path) -> list[str]:
    """What goes on in a folder although it has had its time to end."""
    deadline = time.monotonic() + ORPHANS_END_S
    while (processes := processes_in(root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return processes


def let_time_pass(root: Path) -> None:
    """Make everything older by some hours that is no result: what a crash has left is old when somebody starts again."""
    then = time.time() - 4 * OLD_S
    for folder in (".m2pt/cache", "build", "runs", "encoders"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and (path.name.startswith((".", "lease.")) or path.name.endswith(".lease")):
                os.utime(path, (then, then))

"""Two at once: everything that can meet another of its kind in a folder, a cache or a database, let loose at the same time."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import read_history
from tests.faults.boundaries import Fault
from tests.faults.crashes import PLAIN, Crashes
from tests.faults.project import NAME, OF_STUDY, STUDY, Harm, finished, harm_of, points_of, remove, state_of, touched
from tests.faults.zygote import Ended

_BUSY = re.compile(r"is already running \(pid|holds|is held by another process")
PUBLISHERS = 8


def _said_plainly(harm: Harm, ended: Ended, may_refuse: bool = True) -> None:
    """Note a command that neither did its work nor said in a sentence that another one is at it."""
    refused = may_refuse and ended.code == 2 and _BUSY.search(ended.said)
    if (ended.code and not refused) or "database is locked" in ended.said or "Traceback" in ended.said:
        harm.lost.append(f"a command ended with {ended.code}: {ended.said[-500:]}")


def _trained_twice(run_dir: Path) -> list[str]:
    """Whether more than one process has trained a run."""
    attempts, epochs = read_attempts(run_dir), [line["epoch"] for line in read_history(run_dir)]
    twice = [f"{run_dir.name} was trained {len(attempts)} times"] if len(attempts) != 1 else []
    return twice + ([f"{run_dir.name} has the epochs {epochs}"] if len(set(epochs)) != len(epochs) else [])


def two_jobs_on_a_run(crashes: Crashes, fault: Fault | None = None) -> Harm:
    """Two jobs begin the same run at the same moment, as on two hosts whose schedulers gave it to both."""
    project, harm = crashes.project, Harm()
    crashes.restore("run")
    started = [project.zygote.start("m2pt.job", crashes.pathway, fault=fault) for _ in range(2)]
    for each in started:
        ended = project.zygote.wait(each)
        harm.seconds = max(harm.seconds, ended.seconds)
        _said_plainly(harm, ended)
    harm.doubled += _trained_twice(project.root / crashes.pathway)
    harm.add(harm_of(state_of(project.root), crashes.wanted, ("runs/", "encoders/", ".m2pt/", "data/")))
    return harm


def two_studies_in_a_checkout(crashes: Crashes) -> Harm:
    """A study is started twice in one folder: one does it, the other says so."""
    project, harm = crashes.project, Harm()
    crashes.restore("begun")
    before = finished(project.root)
    started = [project.zygote.start(PLAIN, *OF_STUDY) for _ in range(2)]
    ended = [project.zygote.wait(each) for each in started]
    for each in ended:
        _said_plainly(harm, each)
        harm.seconds = max(harm.seconds, each.seconds)
    harm.lost += [] if any(each.code == 0 for each in ended) else ["neither did the study"]
    harm.lost += touched(before, project.root)
    for run_dir in (crashes.pathway, crashes.encoder):
        harm.doubled += _trained_twice(project.root / run_dir)
    harm.add(harm_of(state_of(project.root), crashes.wanted))
    return harm


def overlapping_studies(crashes: Crashes) -> Harm:
    """Two studies in one folder make the same cached data, and publish to the same database, at the same time."""
    project, root, harm = crashes.project, crashes.project.root, Harm()
    crashes.restore("begun")
    remove(root, ".m2pt/cache/image-*", ".m2pt/cache/point-*")
    (root / "other.yaml").write_text(STUDY.replace(f"study: {NAME}", "study: other").replace("seeds: [0, 1]", "seeds: [0]"))
    started = [project.zygote.start(PLAIN, "--study", f"{name}.yaml") for name in (NAME, "other")]
    for each in started:
        ended = project.zygote.wait(each)
        harm.seconds = max(harm.seconds, ended.seconds)
        _said_plainly(harm, ended, may_refuse=False)
    done = len(list(root.glob("runs/other/*/record.json")))
    harm.lost += [] if done == 6 else [f"the other study has {done} runs of 6"]
    for run_dir in [root / crashes.pathway, *root.glob("runs/other/*")]:
        harm.doubled += _trained_twice(run_dir)
    for run_dir in root.glob("runs/other/*"):
        twin = root / "runs" / NAME / run_dir.name
        same = all(
            (run_dir / name).read_bytes() == (twin / name).read_bytes() for name in ("history.jsonl", "merged.safetensors")
        )
        harm.different += [] if same else [f"{run_dir.name} differs between the two studies"]
    harm.add(harm_of(state_of(root), crashes.wanted, ("runs/tiny", "encoders/tiny", "data/", ".m2pt/")))
    return harm


def eight_publishers(crashes: Crashes) -> Harm:
    """Eight projects that share one database publish the same study at the same time."""
    project, root, harm = crashes.project, crashes.project.root, Harm()
    crashes.restore("unpublished")
    for number in range(PUBLISHERS - 1):
        shutil.rmtree(root.parent / f"other{number}", ignore_errors=True)
        shutil.copytree(root, root.parent / f"other{number}", symlinks=True)
    address = f"sqlite:///{root}/mlflow.db"
    folders = [root, *(root.parent / f"other{number}" for number in range(PUBLISHERS - 1))]
    started = []
    for folder in folders:
        project.zygote.folder = folder
        started.append(project.zygote.start("pipelines", "publish", *OF_STUDY, MLFLOW_TRACKING_URI=address))
    project.zygote.folder = root
    for each in started:
        ended = project.zygote.wait(each)
        harm.seconds = max(harm.seconds, ended.seconds)
        _said_plainly(harm, ended, may_refuse=False)
    harm.add(harm_of(state_of(root), crashes.wanted, ("mlflow.db",)))
    sweeps = {name for name in points_of(root / "mlflow.db") if name not in crashes.wanted.points}
    harm.doubled += [f"MLflow has {name}" for name in sweeps]
    return harm


def a_report_beside_a_sweep(crashes: Crashes) -> Harm:
    """The status and the results are read again and again while runs end and a report is written: never half of anything."""
    project, root, harm = crashes.project, crashes.project.root, Harm()
    crashes.restore("begun")
    study = project.zygote.start(PLAIN, *OF_STUDY)
    results = root / "build" / NAME / "reports" / "results.csv"
    views = 0
    while Path(f"/proc/{study[0]}/stat").exists() and b" Z " not in Path(f"/proc/{study[0]}/stat").read_bytes():
        ended = project.zygote.run("pipelines", "status", *OF_STUDY, "--json")
        _said_plainly(harm, ended)
        text = results.read_text() if results.is_file() else "\n"
        harm.different += [] if text.endswith("\n") else ["results.csv was seen half-written"]
        views += 1
    _said_plainly(harm, project.zygote.wait(study), may_refuse=False)
    harm.lost += [] if views else ["nothing was read meanwhile"]
    harm.add(harm_of(state_of(root), crashes.wanted))
    return harm


ROWS: dict[str, Callable[[Crashes], Harm]] = {
    "two jobs on one run": two_jobs_on_a_run,
    "a study twice in one checkout": two_studies_in_a_checkout,
    "overlapping studies": overlapping_studies,
    "eight publishers on one database": eight_publishers,
    "status and results beside a sweep": a_report_beside_a_sweep,
}

"""Runs as jobs of a real SLURM cluster: what is asked of it, and what happens when it takes a job away."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from m2pt.config import UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.folder import CHECKPOINT, FAILURE, RECORD, read_history
from pipelines.__main__ import ENGINES as OFFERED
from pipelines.__main__ import main
from pipelines.execution.slurm.queue import ask
from pipelines.execution.slurm.submission import require_possible
from pipelines.planning.study_file import ENGINES, load
from tests.pipelines.execution.engine_study import of_folder, started, write_study
from tests.pipelines.execution.slurm_cluster import MISSING, SlurmCluster, slurm_cluster
from tests.waiting import comes_true

Test = TypeVar("Test", bound=Callable[..., Any])

_MARKS = (
    pytest.mark.skipif(
        bool(MISSING) or find_spec("submitit") is None, reason=f"not installed: {', '.join(MISSING) or 'submitit'}"
    ),
    pytest.mark.patient,
    pytest.mark.timeout(1800),
)


def on_slurm(test: Test) -> Test:
    """A test that needs a real cluster."""
    for mark in _MARKS:
        test = mark(test)
    return test


LIMIT_S = 900.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[SlurmCluster]:
    """A cluster of two nodes."""
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(nodes: SlurmCluster) -> Iterator[SlurmCluster]:
    """The cluster, without jobs."""
    yield nodes
    nodes.empty()


def write_one(folder: Path, epochs: int, slurm: str = "{}") -> None:
    """The study of one encoder and one run of many epochs."""
    write_study(folder, f"{{devices: cpu, engine: slurm, slurm: {slurm}}}")
    study = yaml.safe_load((folder / "study.yaml").read_text())
    study["encoders"].pop("mae+labels")
    study["pretrain"].pop("labels")
    study["finetune"]["epochs"] = epochs
    study["sweep"] = {"seeds": [0], "targets": ["image"], "methods": ["baseline"], "target_encoder": "mae"}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def call(folder: Path, slurm: SlurmCluster, command: str = "study") -> str:
    """What a command says."""
    code = started(folder, "log", slurm.environment, command).wait(LIMIT_S)
    said = (folder / "log").read_text()
    assert code == 0, said
    return said


def running(folder: Path, slurm: SlurmCluster) -> tuple[Path, str]:
    """The folder and the job of the only run, once it has a checkpoint."""
    call(folder, slurm)
    assert comes_true(lambda: of_folder(folder))
    (run_dir,) = of_folder(folder).values()
    ((job, _, _),) = slurm.queue()
    return run_dir, job


def epochs(run_dir: Path) -> list[int]:
    return [line["epoch"] for line in read_history(run_dir)]


@on_slurm
@pytest.mark.parametrize("signal", ["TERM", "USR1", "USR2"])
def test_a_run_that_is_told_to_stop_saves_and_its_job_is_queued_again(tmp_path: Path, slurm: SlurmCluster, signal: str) -> None:
    write_one(tmp_path, 300)
    run_dir, job = running(tmp_path, slurm)
    slurm.tell(job, signal)
    assert comes_true(lambda: slurm.queue() == [(job, "PENDING", "BeginTime")]), slurm.queue()
    before = read_history(run_dir)
    assert not (run_dir / FAILURE).exists()
    slurm.work_off()
    assert (run_dir / RECORD).is_file()
    assert read_history(run_dir)[: len(before)] == before
    assert epochs(run_dir) == list(range(1, 301))


@on_slurm
def test_a_job_near_its_time_limit_is_queued_again_as_often_as_its_run_needs(tmp_path: Path, slurm: SlurmCluster) -> None:
    """SLURM warns it some 40 seconds before its limit."""
    write_one(tmp_path, 100000, "{minutes: 2}")
    run_dir, job = running(tmp_path, slurm)
    done = 0
    for _ in range(4):  # more often than submitit would by itself
        assert comes_true(lambda: slurm.queue() == [(job, "PENDING", "BeginTime")]), slurm.queue()
        assert len(epochs(run_dir)) > done
        done = len(epochs(run_dir))
        assert slurm.comes_true(lambda: of_folder(tmp_path))
    assert (done_since := epochs(run_dir)) == list(range(1, len(done_since) + 1))


@on_slurm
def test_a_job_that_is_cancelled_saves_its_run_for_the_next_call(tmp_path: Path, slurm: SlurmCluster) -> None:
    write_one(tmp_path, 300)
    run_dir, job = running(tmp_path, slurm)
    slurm.ask("scancel", job)
    assert comes_true(lambda: not slurm.queue()), slurm.queue()
    before = epochs(run_dir)
    assert (run_dir / CHECKPOINT).is_file() and not (run_dir / FAILURE).exists()
    assert "1 run submitted to SLURM." in call(tmp_path, slurm)
    slurm.work_off()
    assert epochs(run_dir) == list(range(1, 301)) and len(before) < 300


@on_slurm
def test_a_run_that_failed_is_submitted_again_and_the_call_says_so(tmp_path: Path, slurm: SlurmCluster) -> None:
    write_one(tmp_path, 100000)
    study = (tmp_path / "study.yaml").read_text()
    (tmp_path / "study.yaml").write_text(study.replace("devices: cpu", "time_limit_s: 1\n  devices: cpu"))
    call(tmp_path, slurm)
    slurm.work_off()
    assert "1 run submitted to SLURM (1 of them failed before)" in call(tmp_path, slurm)


@on_slurm
def test_status_reads_the_queue_and_stop_cancels_it(tmp_path: Path, slurm: SlurmCluster) -> None:
    write_one(tmp_path, 3000)
    run_dir, _ = running(tmp_path, slurm)
    taken = slurm.ask("sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true").strip()  # of somebody else
    assert "in SLURM's queue: 1 running; `m2pt stop` cancels them" in call(tmp_path, slurm, "status")
    said = call(tmp_path, slurm, "stop")
    assert "engines: cancelled 1 job of SLURM; their runs save." in said
    assert f"{run_dir.name} was stopped; the next start goes on with it" in said
    assert [job for job, _, _ in slurm.queue()] == [taken]
    slurm.ask("scancel", taken)
    assert "nothing runs" in call(tmp_path, slurm, "stop")
    assert "queue" not in call(tmp_path, slurm, "status")


@on_slurm
def test_slurm_is_asked_for_what_the_study_declares(tmp_path: Path, slurm: SlurmCluster) -> None:
    write_one(
        tmp_path, 2, "{partition: high, minutes: 7, memory_gb: 1.5, cores: 2, setup: [export SEEN=1], options: {comment: mine}}"
    )
    call(tmp_path, slurm)
    ((job, _, _), (after, _, why)) = sorted(slurm.queue())
    shown = dict(word.partition("=")[::2] for word in slurm.ask("scontrol", "--oneliner", "show", "job", job).split())
    asked = {
        "Partition": "high",
        "TimeLimit": "00:07:00",
        "NumCPUs": "2",
        "Requeue": "1",
        "Comment": "mine",
        "JobName": "m2pt-engines",
    }
    assert asked == {key: shown[key] for key in asked}
    assert shown["MinMemoryNode"] == "1.50G"
    assert why == "Dependency" and int(after) > int(job)
    slurm.work_off()
    assert "the report is" in call(tmp_path, slurm)


@on_slurm
def test_what_slurm_refuses_is_one_sentence(tmp_path: Path, slurm: SlurmCluster) -> None:
    write_one(tmp_path, 2, "{partition: none}")
    assert started(tmp_path, "log", slurm.environment).wait(LIMIT_S) == 2
    assert re.search(
        r"m2pt: execution\.slurm: SLURM does not take the jobs \(.*invalid partition.*\)", (tmp_path / "log").read_text()
    )


def test_without_slurm_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^execution\.engine: squeue is not here; call m2pt where one submits jobs to SLURM\.$"):
        ask("squeue")


SMALL = "study: tiny\nencoders: {mae: {kind: mae}}\nsweep: {seeds: [0], targets: [image]}\n"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("execution: {engine: slurm, devices: ['0']}", "execution.devices: names devices of one machine"),
        ("execution: {engine: slurm, jobs_per_device: 2}", "execution.jobs_per_device: a job of SLURM has its devices to itself"),
        (
            "execution: {engine: slurm}\nsearch:\n  {trials: 3, seeds: [7], ranges: {finetune.learning_rate: {low: 1, high: 9}}}",
            "search: chooses each trial by those before",
        ),
    ],
)
def test_what_cannot_be_submitted_is_refused(more: str, why: str) -> None:
    with pytest.raises(UserError, match=rf"^{re.escape(why)}"):
        require_possible(parse_study(SMALL + more, "tiny.yaml"))


def test_an_engine_is_named_for_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.yaml").write_text(SMALL)
    monkeypatch.setenv("M2PT_ENGINE", "slurm")
    assert load(tmp_path / "tiny.yaml").execution.engine == "slurm"
    monkeypatch.setenv("M2PT_ENGINE", "slrum")
    with pytest.raises(UserError, match=r"^M2PT_ENGINE: there is no engine 'slrum'; use one of local, ray, slurm\.$"):
        load(tmp_path / "tiny.yaml")
    assert main(["sweep", "--engine", "slurm", "--study", "none.yaml"]) == 2
    assert os.environ["M2PT_ENGINE"] == "slurm"
    assert OFFERED == ENGINES


def test_a_node_needs_neither_prefect_nor_mlflow_nor_dvc() -> None:
    script = (
        "import sys, pipelines.execution.slurm.submission;"
        "print([name for name in ('prefect', 'mlflow', 'dvc') if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert seen.stdout == "[]\n"

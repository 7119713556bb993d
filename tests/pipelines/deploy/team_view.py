"""What the servers of a team show and do, read with their own clients and from the machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.pipelines.deploy.servers import Team
from tests.pipelines.scheduling.conftest import jobs

_SHOWN = ("runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")


def rows(team: Team) -> list[str]:
    """All that MLflow has of runs, with its own ids and times: the rows of its tables, in order."""
    tables = [f"--table={name}" for name in _SHOWN]
    dumped = team.postgres.run("pg_dump", "--data-only", *tables, "mlflow").splitlines()
    return sorted(row for row in dumped if not row.startswith(("\\restrict", "\\unrestrict")))  # with a word of each dump's own


def runs_of(client: MlflowClient, study: str) -> list[Run]:
    """What the server shows of a study: its runs and its sweeps."""
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def require_equal(client: MlflowClient, study: str, project: Path) -> None:
    """Compare what is shown of the runs with the files that they left: histories, scores and the record, byte by byte."""
    folders = {path.parent.name: path.parent for path in (project / "runs").rglob("record.json")}
    runs = [run for run in runs_of(client, study) if run.data.tags["m2pt.kind"] != "sweep"]
    assert sorted(run.data.tags["m2pt.run_id"] for run in runs) == sorted(folders) != []
    for run in runs:
        folder, key = folders[run.data.tags["m2pt.run_id"]], run.info.run_id
        record = json.loads((folder / "record.json").read_text())
        history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        for ours, theirs in (("train/loss", "3_train/loss"), ("val/accuracy", "1_val/accuracy")):
            points = [(point.step, point.value) for point in client.get_metric_history(key, theirs)]
            assert points == [(line["epoch"], line[ours]) for line in history]
        for split in ("val", "test"):
            assert run.data.metrics[f"4_result/{split}_accuracy"] == record[f"{split}_score"]
        assert run.info.status == "FINISHED"
        shown = client.download_artifacts(key, f"model/{folder.name}/record.json")  # it goes with the run's model
        assert Path(shown).read_bytes() == (folder / "record.json").read_bytes()


@dataclass
class Watched:
    """What was seen while a command went on: who was connected to a server, with how many connections, and the jobs."""

    clients: dict[str, set[int]] = field(default_factory=lambda: {"mlflow": set(), "prefect": set()})
    most_connections: int = 0
    most_of_one_client: int = 0
    most_jobs: int = 0
    faults: list[BaseException] = field(default_factory=list)


@contextmanager
def watching(team: Team, project: Path) -> Iterator[Watched]:
    """Look again and again at the connections to the servers, and at those of the servers to PostgreSQL."""
    seen, over = Watched(), threading.Event()

    def look() -> None:
        ports = {team.mlflow.port: "mlflow", team.prefect.port: "prefect"}
        while not over.wait(0.1):
            to_mlflow = 0
            for one in psutil.net_connections("tcp"):
                if one.raddr and one.raddr.port in ports and one.pid and one.status == psutil.CONN_ESTABLISHED:
                    seen.clients[ports[one.raddr.port]].add(one.pid)
                    to_mlflow += one.raddr.port == team.mlflow.port
            seen.most_of_one_client = max(seen.most_of_one_client, to_mlflow)
            ((count,),) = team.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            seen.most_connections = max(seen.most_connections, int(count) - 1)  # without this question
            seen.most_jobs = max(seen.most_jobs, _own(jobs(project)))

    def safely() -> None:
        try:
            look()
        except BaseException as error:
            seen.faults.append(error)

    thread = threading.Thread(target=safely)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    assert seen.faults == []


def _own(going: list[int]) -> int:
    """How many of these processes were not begun by another of them: one that begins a program bears its own name until then."""
    parents = []
    for job in going:
        with suppress(psutil.NoSuchProcess):
            parents.append(psutil.Process(job).ppid())
    return sum(parent not in going for parent in parents)


def holding(words: list[str], folders: list[Path]) -> list[Path]:
    """The files below folders that hold one of some words."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(word.encode() in path.read_bytes() for word in words)]

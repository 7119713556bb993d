"""The smallest study on which engines are compared, done by the command that users call."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
import yaml
from mlflow.tracking import MlflowClient

from m2pt.runs.folder import CHECKPOINT

PROJECT = Path(__file__).parents[3]
LIMIT_S = 1800.0


def write_study(folder: Path, execution: str, *, narrow: bool = False, epochs: int = 40) -> None:
    """The smallest study with twelve runs; `narrow` is its pathways of the first seed alone, which are two."""
    study = yaml.safe_load((PROJECT / "studies" / "smoke.yaml").read_text())
    study["study"] = "engines"
    study["data"]["root"] = "data"
    study["finetune"]["epochs"] = epochs
    study["sweep"] |= {"seeds": [0, 1], "methods": ["baseline", "pathway", "own_lineage"]}
    if narrow:
        study["sweep"] |= {"seeds": [0], "methods": ["pathway"]}
    study["execution"] = yaml.safe_load(execution)
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def started(folder: Path, log: str, environment: dict[str, str] | None = None, command: str = "study") -> subprocess.Popen[bytes]:
    """A command on the study of a folder; its output goes to `log`."""
    with (folder / log).open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines", command, "--study", "study.yaml"],
            cwd=folder,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=(environment or os.environ) | {"PYTHONPATH": str(PROJECT)},
        )


def require_one_run_each(folder: Path) -> None:
    """MLflow shows every run once, and no point twice."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = [run for run in client.search_runs(experiments) if "m2pt.run_id" in run.data.tags]
    ids = sorted(run.data.tags["m2pt.run_id"] for run in runs)
    complete = [*folder.glob("runs/engines/*/record.json"), *folder.glob("encoders/engines/*/record.json")]
    assert ids == sorted(path.parent.name for path in complete)
    for run in runs:
        for name in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
            assert len(steps) == len(set(steps)), (run.info.run_name, name)


def training(processes: Iterable[psutil.Process]) -> dict[psutil.Process, Path]:
    """The workers among the processes that are in the middle of a run which has a checkpoint, and the folder of the run."""
    seen = {}
    for process in processes:
        try:
            if process.cmdline()[1:] == ["-m", "m2pt.job", "--worker"]:
                logs = [Path(file.path) for file in process.open_files() if file.path.endswith("/local/log.txt")]
                for run_dir in (log.parents[1] for log in logs):
                    if (run_dir / CHECKPOINT).is_file():
                        seen[process] = run_dir
        except psutil.Error:  # it has ended
            continue
    return seen


def of_folder(folder: Path) -> dict[psutil.Process, Path]:
    """As `training`, of the fine-tuning runs of the study in a folder."""
    return {process: run for process, run in training(psutil.process_iter()).items() if folder / "runs" in run.parents}

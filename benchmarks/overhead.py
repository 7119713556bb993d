"""What orchestration costs a run: ours beside Ray Tune, Hydra's joblib launcher and DVC's queue of experiments.

    .venv/bin/python benchmarks/overhead.py [--runs 500] [--seconds 0 1] [--rounds 3] [--hydra PYTHON] [--only NAME ...]

Each does the same number of jobs that only sleep, on two slots, and logs a parameter and a score of each to an MLflow store in
SQLite of its own. In every round they take turns. Printed for each: the time that a run took beyond its sleep, the median of
the rounds, with everything that a user waits for: Python, servers, workers, logging. Ours also keeps a folder, a record and a
page in Prefect for each run. `--hydra` is a Python with hydra-core, hydra-joblib-launcher and mlflow; DVC does a twentieth of
the runs.

On two quiet cores of an AMD EPYC, in one round of 500 runs, jobs of 0 s took 212 ms with our local engine, 240 with our Ray
engine, 319 with Hydra, 346 with Ray Tune and 9,449 with DVC (25 runs). Jobs of 1 s took, beyond it, in two rounds on different
days: 103 ms with our local engine, 98 with our Ray engine and 229 with Ray Tune; 79 with our local engine, 363 with Hydra and
9,869 with DVC. Much is done while jobs sleep.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOTS = 2

STUDY = """
study: overhead
data: {{root: data, embedded: {{seed: 0, pretrain: 20, train: 20, val: 20, test: 20}}}}
model: {{width: 16, depth: 2, heads: 2}}
finetune: {{batch_size: 10, samples: 20, epochs: 2, warmup_steps: 1}}
encoders: {{}}
sweep:
  seeds: {seeds}
  targets: [image]
  methods: [baseline]
  settings: [scratch]
  target_encoder: random
  auxiliary_encoder: random
execution: {{devices: cpu, slots: {slots}, engine: {engine}}}
"""

HYDRA = """
import time
import hydra, mlflow
@hydra.main(version_base=None, config_path=None, config_name="config")
def job(config):
    mlflow.set_tracking_uri("sqlite:///{folder}/mlflow.db")
    with mlflow.start_run():
        mlflow.log_param("i", config.i)
        time.sleep({seconds})
        mlflow.log_metric("score", 1.0)
from hydra.core.config_store import ConfigStore
ConfigStore.instance().store(name="config", node={{"i": 0}})
job()
"""

DVC_JOB = """
import time, yaml, mlflow
mlflow.set_tracking_uri("sqlite:///{folder}/mlflow.db")
with mlflow.start_run():
    mlflow.log_param("i", yaml.safe_load(open("params.yaml"))["i"])
    time.sleep({seconds})
    mlflow.log_metric("score", 1.0)
open("metrics.json", "w").write('{{"score": 1.0}}')
"""


def ours(engine: str, folder: Path, runs: int, seconds: float) -> None:
    """A sweep of ours, with its flow, its folders and its tracking; only the worker is another one."""
    from pipelines.execution.process_environment import LOGS, prepare

    prepare()
    from pipelines.execution.progress import Display
    from pipelines.execution.ray.cluster import RayCluster
    from pipelines.execution.session import Session
    from pipelines.execution.slot_pool import local_engine
    from pipelines.planning import study_file
    from pipelines.scheduling import server

    command = [sys.executable, str(HERE / "noop_worker.py"), str(seconds)]
    make = partial(RayCluster if engine == "ray" else local_engine, worker_command=command)
    with Session(study_file.load(folder / "study.yaml"), Display(), make) as session, server.used(LOGS / "server.log") as prefect:
        session.warm()
        from pipelines.scheduling import flows

        prefect.ready()
        (outcome,) = flows.run("sweep", session, flows.sweep)
    assert outcome.complete == runs


def ray_tune(folder: Path, runs: int, seconds: float) -> None:
    """Ray Tune with its callback for MLflow."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # otherwise Ray keeps a token in the home folder
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    def job(config: dict[str, int]) -> None:
        time.sleep(seconds)
        tune.report({"score": 1.0})

    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False)
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="overhead")
    tune.Tuner(
        tune.with_resources(job, {"cpu": 1}),
        param_space={"i": tune.grid_search(list(range(runs)))},
        tune_config=tune.TuneConfig(reuse_actors=True),  # without it, each trial starts a process
        run_config=tune.RunConfig(storage_path=str(folder), callbacks=[callback], verbose=0),
    ).fit()


def hydra(python: str, folder: Path, runs: int, seconds: float) -> None:
    """Hydra's multirun with the joblib launcher."""
    (folder / "app.py").write_text(HYDRA.format(folder=folder, seconds=seconds))
    subprocess.run([python, "app.py"], cwd=folder, check=True)  # makes the tables, which parallel jobs cannot
    sweep = ["-m", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={SLOTS}", f"i=range(0,{runs})"]
    subprocess.run([python, "app.py", *sweep], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def dvc(folder: Path, runs: int, seconds: float) -> None:
    """DVC's queue with two workers."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # its queue starts `dvc` by name
    call = partial(subprocess.run, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PATH": path})
    python = [sys.executable, "-m", "dvc"]
    (folder / "job.py").write_text(DVC_JOB.format(folder=folder, seconds=seconds))
    (folder / "params.yaml").write_text("i: -1\n")
    (folder / "dvc.yaml").write_text(
        f"stages:\n  job:\n    cmd: {sys.executable} job.py\n    deps: [job.py]\n    params: [i]\n    metrics: [metrics.json]\n"
    )
    call(["git", "init", "--quiet"])
    call([*python, "init", "--quiet"])
    call(["git", "add", "."])
    call(["git", "-c", "user.name=m", "-c", "user.email=m@example.invalid", "commit", "--quiet", "--message=begin"])
    for number in range(runs):
        call([*python, "exp", "run", "--quiet", "--queue", "--set-param", f"i={number}"])
    call([*python, "queue", "start", "--jobs", str(SLOTS)])
    while (
        "Queued" in (status := subprocess.check_output([*python, "queue", "status"], cwd=folder, text=True))
        or "Running" in status
    ):
        time.sleep(0.2)


def prepared(name: str, folder: Path, runs: int) -> None:
    """What is there before anybody waits: the study and its data."""
    if name.startswith("ours"):
        engine = name.removeprefix("ours ")
        (folder / "study.yaml").write_text(STUDY.format(seeds=list(range(runs)), slots=SLOTS, engine=engine))
        subprocess.run([sys.executable, "-m", "pipelines", "data", "--study", "study.yaml"], cwd=folder, check=True)


def seconds_of(name: str, runs: int, seconds: float, hydra_python: str | None) -> float:
    """How long one of them takes for all runs, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="overhead-", ignore_cleanup_errors=True) as folder:
        prepared(name, Path(folder), runs)
        command = [sys.executable, __file__, "--as", name, "--runs", str(runs), "--seconds", str(seconds)]
        started = time.perf_counter()
        with (Path(folder) / "output").open("wb") as output:
            code = subprocess.run(
                [*command, "--hydra", hydra_python or ""], cwd=folder, stdout=output, stderr=output, env=os.environ
            ).returncode
        if code:
            print((Path(folder) / "output").read_text()[-3000:])
            raise SystemExit(f"{name} failed")
        return time.perf_counter() - started


def main() -> None:
    """Let them take turns, and print what a run cost with each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hydra")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--as", dest="name")
    options = parser.parse_args()
    doers: dict[str, Callable[[Path, int, float], None]] = {
        "ours local": partial(ours, "local"),
        "ours ray": partial(ours, "ray"),
        "Ray Tune": ray_tune,
        "Hydra joblib": partial(hydra, options.hydra),
        "DVC queue": dvc,
    }
    if options.name:
        doers[options.name](Path.cwd(), options.runs, options.seconds[0])
        return
    names = [name for name in options.only or doers if name != "Hydra joblib" or options.hydra]
    for seconds in options.seconds:
        cost: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                runs = max(1, options.runs // 20) if name == "DVC queue" else options.runs
                took = seconds_of(name, runs, seconds, options.hydra)
                cost[name].append(1000 * (SLOTS * took / runs - seconds))
                print(f"{seconds:g} s, {name}: {cost[name][-1]:.0f} ms", flush=True)
        least = min(map(statistics.median, cost.values()))
        for name, each in cost.items():
            middle = statistics.median(each)
            print(f"{seconds:g} s jobs: {name:14} {middle:8.0f} ms a run beyond its sleep, {middle / least:.2f} of the least")


if __name__ == "__main__":
    main()

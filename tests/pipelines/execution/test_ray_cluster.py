"""Jobs on a real Ray cluster, with a worker that speaks the protocol and behaves as each run asks it to."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from m2pt.config import UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.folder import FAILURE, RECORD
from m2pt.runs.inputs import JobInputs
from pipelines.execution.ray.cluster import RayCluster
from pipelines.execution.ray.connection import own_folder
from pipelines.execution.ray.slots import ray_slots
from pipelines.planning.environments import on_device
from tests.waiting import comes_true

if find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)

WORKER = Path(__file__).with_name("asked_worker.py")
LIMIT_S = 240


def study(execution: str = "{engine: ray, devices: cpu, slots: 2}") -> Any:
    text = (
        f"study: tiny\nencoders: {{mae: {{kind: mae, seed: 0}}}}\nsweep: {{seeds: [0], targets: [image]}}\nexecution: {execution}"
    )
    return parse_study(text, "tiny.yaml")


def orders(**asked: Any) -> JobInputs:
    """The inputs of a job that say what the fake worker is to do."""
    return JobInputs(data=json.dumps(asked), cache="")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RayCluster]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    made: list[RayCluster] = []

    def make(*how: str) -> RayCluster:
        made.append(RayCluster(study(*how), [sys.executable, "-S", str(WORKER)]))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


def trace(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / "trace.json").read_text()))


@pytest.fixture
def run_dir(tmp_path: Path) -> Callable[[str], Path]:
    def made(name: str) -> Path:
        (tmp_path / "runs" / name / "local").mkdir(parents=True)
        return tmp_path / "runs" / name

    return made


@pytest.mark.patient
def test_jobs_run_side_by_side_and_what_dies_takes_its_own_run_alone(make: Any, run_dir: Any, tmp_path: Path) -> None:
    cluster = make()
    assert cluster.capacity == 2
    assert cluster.environment() == on_device("cpu")
    (tmp_path / "meeting").mkdir()
    together = orders(meet=str(tmp_path / "meeting"))
    one, two, dying, slow, failing, after = (run_dir(name) for name in ("one", "two", "dying", "slow", "failing", "after"))
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda run: cluster.run(run, together, LIMIT_S), (one, two)))
    assert [result.status for result in ended] == ["complete", "complete"]
    assert trace(one)["pid"] != trace(two)["pid"]
    assert not [name for name in trace(one)["env"] if name.startswith("RAY_")]

    dead = cluster.run(dying, orders(signal=signal.SIGKILL), LIMIT_S)
    assert (dead.status, dead.died) == ("failed", True)
    assert json.loads((dying / FAILURE).read_text())["kind"] == "worker_died"
    assert "time limit" in (cluster.run(slow, orders(seconds=60), 1.0).error or "")
    assert cluster.run(failing, orders(error="it broke."), LIMIT_S).error == "it broke."
    assert cluster.run(after, orders(), LIMIT_S).status == "complete"

    assert not list(tmp_path.glob("**/.seen-*"))
    assert not (tmp_path / "home" / ".ray").exists()  # no token is kept


@pytest.mark.patient
def test_an_actor_that_is_killed_is_replaced_and_closing_ends_everything(make: Any, run_dir: Any) -> None:
    cluster = make("{engine: ray, devices: cpu, slots: 1}")
    first, second, third = (run_dir(name) for name in ("first", "second", "third"))
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(cluster.run, first, orders(seconds=60), LIMIT_S)
        assert comes_true(lambda: (first / "trace.json").is_file() or ending.done()) and not ending.done(), ending.result()
        actor = parent_of(trace(first)["pid"])
        os.kill(actor, signal.SIGKILL)
        result = ending.result()
        assert (result.status, result.died) == ("failed", True)
        assert cluster.run(second, orders(), LIMIT_S).status == "complete"
        ending = pool.submit(cluster.run, third, orders(seconds=60), LIMIT_S)
        assert comes_true(lambda: (third / "trace.json").is_file() or ending.done()) and not ending.done(), ending.result()
        cluster.close()
        assert "was stopped before its end" in (ending.result().error or "")
    assert not (third / RECORD).exists() and not (third / FAILURE).exists()
    for run in (first, second, third):
        assert comes_true(partial(is_gone, trace(run)["pid"]))
    assert cluster.run(run_dir("late"), orders(), LIMIT_S).status == "failed"


@pytest.mark.parametrize(
    ("address", "why"),
    [("127.0.0.1:1", "refused"), ("ray://127.0.0.1:1", "HOST:PORT"), ("head", "HOST:PORT"), ("head:99999", "HOST:PORT")],
)
def test_a_cluster_that_does_not_answer_is_one_sentence(make: Any, address: str, why: str) -> None:
    with pytest.raises(UserError, match=rf"^execution\.ray\.address: no cluster answers at {address} \(.*{why}.*\)\.$"):
        _ = make(f"{{engine: ray, ray: {{address: '{address}'}}}}").capacity


NODES = [
    {"NodeID": "a" * 8, "Alive": True, "NodeManagerHostname": "one", "Resources": {"CPU": 8.0, "GPU": 3.0}},
    {"NodeID": "b" * 8, "Alive": True, "NodeManagerHostname": "two", "Resources": {"CPU": 4.0}},
    {"NodeID": "c" * 8, "Alive": False, "NodeManagerHostname": "three", "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


@pytest.mark.parametrize(
    ("execution", "hosts", "cpus", "gpus"),
    [
        ("{engine: ray}", ["one"] * 3, 1.0, 1.0),
        ("{engine: ray, devices_per_job: 2}", ["one"], 2.0, 2.0),
        ("{engine: ray, jobs_per_device: 2}", ["one"] * 6, 0.0, 0.5),
        ("{engine: ray, devices: cpu, devices_per_job: 3}", ["one", "two", "one"], 3.0, 0.0),
        ("{engine: ray, devices: cpu, slots: 3}", ["one", "two", "one"], 1.0, 0.0),
    ],
)
def test_slots_are_what_each_living_node_can_hold(execution: str, hosts: list[str], cpus: float, gpus: float) -> None:
    fitting = ray_slots(NODES, study(execution).execution)
    assert [slot.host for slot in fitting] == hosts
    assert {(slot.cpus, slot.gpus) for slot in fitting} == {(cpus, gpus)}


def test_named_devices_are_those_of_one_machine() -> None:
    with pytest.raises(UserError, match=r"execution\.devices: names devices of one machine"):
        ray_slots(NODES, study("{engine: ray, devices: ['0']}").execution)


def test_what_a_killed_command_left_of_its_cluster_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os; from pipelines.execution.ray.connection import own_folder as f; kept = f(); kept.__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    somebody_elses = tmp_path / "m2pt-ray-notes"
    somebody_elses.mkdir()
    with own_folder() as first:
        assert not left.exists()
        with own_folder() as second:
            assert {*tmp_path.iterdir()} == {Path(first), Path(second), somebody_elses}
    assert [*tmp_path.iterdir()] == [somebody_elses]


def parent_of(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


def is_gone(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


def test_a_node_needs_neither_prefect_nor_mlflow_nor_dvc() -> None:
    script = (
        "import sys, pipelines.execution.ray.slots; print([name for name in ('prefect', 'mlflow', 'dvc') if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert seen.stdout == "[]\n"

"""A real Prefect server of a project, started as the commands start it, and a tiny project with real data."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State

from pipelines.scheduling import credentials
from pipelines.scheduling.server import LocalServer
from tests.waiting import comes_true

ROOT = Path(__file__).parents[3]

STUDY = """
study: {name}
data: {{root: data}}
model: {{width: 16, depth: 1, heads: 2}}
encoders: {{}}
finetune: {{batch_size: 8, samples: 40, epochs: {epochs}, warmup_steps: 1, augment: false}}
sweep: {{seeds: [{seeds}], targets: [image], auxiliaries: [], methods: [{methods}], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}}
execution: {{devices: cpu, slots: 1}}
"""


@dataclass(frozen=True)
class Prefect:
    """A running server: its address, the home of its project, and the variables of a command that uses it."""

    api_url: str
    home: Path
    auth: str
    variables: dict[str, str] = field(repr=False)

    @property
    def page(self) -> str:
        return self.api_url.removesuffix("/api")

    def client(self) -> SyncPrefectClient:
        """Prefect's own client, with the project's credentials."""
        return SyncPrefectClient(self.api_url, auth_string=self.auth)


@contextmanager
def prefect_server(folder: Path, port: int = 0) -> Iterator[Prefect]:
    """The server of a project in a folder."""
    home = folder / ".prefect"
    kept = dict(os.environ)
    os.environ |= {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "true"}
    try:
        auth = credentials.auth_string()
        with LocalServer(folder / "server.log", port, schedules=True) as server:
            variables = {
                **{name: value for name, value in kept.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))},
                "PREFECT_HOME": str(home),
                "PREFECT_API_URL": server.ready(),
                "PREFECT_API_AUTH_STRING": auth,
                "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
                "NO_PROXY": "127.0.0.1",
                "no_proxy": "127.0.0.1",
            }
            os.environ.clear()
            os.environ.update(kept)
            yield Prefect(server.api_url, home, auth, variables)
    finally:
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """The server that most tests share."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


def make_project(folder: Path, name: str, epochs: int, seeds: str = "0", methods: str = "baseline") -> Path:
    """A folder with a tiny study, `<name>.yaml`, and its data: forty small pictures of two classes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(STUDY.format(name=name, epochs=epochs, seeds=seeds, methods=methods))
    for split, shade in (("train", 0), ("val", 50), ("test", 100)):
        for index in range(40):
            path = folder / f"data/image/{split}/{index % 2}/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), 40 * (index % 2) + index + shade).save(path)
    for package in ("pipelines", "m2pt"):
        if not (folder / package).exists():
            (folder / package).symlink_to(ROOT / package)
    return folder


@contextmanager
def started(
    folder: Path, variables: dict[str, str], *command: str, limits: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Python's in a folder, which is killed at the end; what it says is in `out.txt`.

    `limits` is a program that limits another one, with its options.
    """
    with (folder / "out.txt").open("wb") as out, ExitStack() as stack:
        words = [*limits, sys.executable, "-m", *command]
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=out, stderr=out)
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield process


def jobs(folder: Path) -> list[int]:
    """The processes that train in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                command = (process / "cmdline").read_bytes().split(b"\0")
                found += [int(process.name)] if b"m2pt.job" in command else []
        except OSError:
            continue
    return found


def end_all(folder: Path) -> None:
    """Kill what is left in a folder."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue


def trains(folder: Path) -> bool:
    """Whether a job has written a checkpoint while it goes on."""
    return bool(jobs(folder)) and any(folder.glob("runs/*/*/local/checkpoint.pt"))


def state_of(client: SyncPrefectClient, flow_run: UUID) -> State[Any]:
    state = client.read_flow_run(flow_run).state
    assert state is not None
    return state


def ended(client: SyncPrefectClient, flow_run: UUID) -> Callable[[], bool]:
    return lambda: state_of(client, flow_run).is_final()


def comes_to(client: SyncPrefectClient, flow_run: UUID, name: str) -> None:
    """Wait until a flow run is in a state, or at its end."""
    assert comes_true(lambda: (state := state_of(client, flow_run)).name == name or state.is_final())
    state = state_of(client, flow_run)
    assert state.name == name, f"{state.name}: {state.message}"

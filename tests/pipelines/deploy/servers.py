"""PostgreSQL, and on it the servers of `deploy/compose.yaml`, started by the very commands that stand there.

What is a container's is replaced by what is this machine's: the folders behind its volumes, the host and the ports.
"""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import yaml

from tests.waiting import comes_true

DEPLOY = Path(__file__).parents[3] / "deploy"
HOST = "127.0.0.1"
SETTINGS = {
    "DATABASE_PASSWORD": "9vKq-database-Tw7",
    "MLFLOW_PASSWORD": "9vKq-admin-Tw7-of-mlflow",
    "MLFLOW_KEY": "9vKq-key-Tw7",
    "PREFECT_AUTH": "m2pt:9vKq-prefect-Tw7",
}
"""What stands in `.env`. No word of these programs is like it."""


def programs() -> Path:
    """The folder of PostgreSQL's programs; the test is skipped where a server of a team lacks something on this machine."""
    known = [Path(program).resolve().parent for program in [shutil.which("initdb")] if program]
    known += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    if not any((folder / "initdb").is_file() for folder in known):
        pytest.skip("PostgreSQL is not installed (Debian and Ubuntu: the package postgresql)")
    missing = [package for package in ("psycopg2", "flask_wtf") if find_spec(package) is None]
    if missing:
        pytest.skip(f"m2pt is installed without its extra requirement `server` ({' and '.join(missing)})")
    return known[-1]


@cache
def compose() -> dict[str, Any]:
    """The compose file."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return document


def interpolated(text: str, settings: Mapping[str, str]) -> str:
    """A value of the compose file with `${NAME}`, `${NAME:-default}` and `${NAME:?sentence}` replaced."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups(default="")
        if settings.get(name):
            return settings[name]
        assert kind == ":-", f"{name}: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Postgres:
    """A cluster of databases in a folder of its own. `max_connections` and all else is as in the compose file."""

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        # PostgreSQL does not run as root; the user of its package has no right to our own temporary folders.
        self._user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        word = self.folder / "password"
        word.write_text(SETTINGS["DATABASE_PASSWORD"])
        word.chmod(0o644)
        initdb = ["--username=m2pt", "--auth=scram-sha-256", f"--pwfile={word}", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", f"--pgdata={self.folder / 'data'}", *initdb, **self._user)
        word.unlink()

    @property
    def environment(self) -> dict[str, str]:
        """What its clients need."""
        return {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": "m2pt", "PGPASSWORD": SETTINGS["DATABASE_PASSWORD"]}

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def start(self) -> None:
        _, *options = shlex.split(compose()["services"]["postgres"]["command"])
        here = ["-D", self.folder / "data", "-p", str(self.port), "-k", self.folder, "-c", f"listen_addresses={HOST}"]
        with self.log.open("ab") as log:
            command = [self.programs / "postgres", *here, *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._user)
        assert comes_true(lambda: self._ask("SELECT 1").returncode == 0), self.log.read_text()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # its "fast" end
            self.process.wait()
            self.process = None

    def die(self) -> None:
        """Kill all of its processes at once."""
        assert self.process is not None
        for process in [self.process.pid, *map(int, self._children().split())]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _children(self) -> str:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()

    def sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """The rows of an answer."""
        done = self._ask(statement, database)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def run(self, program: str, *arguments: str | Path, **options: Any) -> str:
        """What one of PostgreSQL's own programs prints about this cluster."""
        return self._run(program, *arguments, env=os.environ | self.environment, **options)

    def _ask(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        command = [self.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
        return subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True)

    def _run(self, program: str, *arguments: str | Path, **options: Any) -> str:
        done = subprocess.run([self.programs / program, *arguments], capture_output=True, text=True, cwd="/", **options)
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Server:
    """A service of the compose file as a process of this machine, on a port that it keeps when it is started again."""

    name: str
    postgres: Postgres
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        place = self.folder / self.name
        place.mkdir(exist_ok=True)
        command = [self._here(word) for word in shlex.split(compose()["services"][self.name]["command"])]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment(), stdout=log, stderr=log, cwd=place, start_new_session=True
            )
        assert comes_true(self.answers), self.log.read_text()

    def run(self, *command: str) -> None:
        """Do another command with the environment of the service."""
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}
        own = {name: self._here(value) for name, value in compose()["services"][self.name]["environment"].items()}
        return kept | own | self.postgres.environment | {"PREFECT_HOME": str(self.folder / "home")}

    def answers(self) -> bool:
        """Whether it passes the check of its health in the compose file, or has ended."""
        assert self.process is not None and self.process.poll() is None, self.log.read_text()
        test = compose()["services"][self.name]["healthcheck"]["test"]
        page = re.search(r"http://127\.0\.0\.1:\d+(/[\w/]+)", test[-1])
        assert page is not None
        try:
            urllib.request.urlopen(f"{self.address}{page[1]}", timeout=10).close()
        except OSError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, how)
            self.process.wait()
            self.process = None

    def _here(self, text: str) -> str:
        """A word of the compose file as it is on this machine."""
        service = compose()["services"][self.name]
        text = interpolated(text, SETTINGS | {"PREFECT_PAGE": self.address})
        port = service["ports"][0].rpartition(":")[2]
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            place = DEPLOY / source if source.startswith(".") else self.folder / source
            text = str(place) if text == target else text
        return re.sub(rf"(?<![\d.]){port}\b", str(self.port), text)


@dataclass(frozen=True)
class Team:
    """What a team has: the three servers."""

    postgres: Postgres
    mlflow: Server
    prefect: Server

    @property
    def logs(self) -> list[Path]:
        """What the servers say."""
        return [self.postgres.log, self.mlflow.log, self.prefect.log]

    def variables(self, name: str, password: str) -> dict[str, str]:
        """What a laptop or a cluster sets, with a name and a password of MLflow."""
        return {
            "MLFLOW_TRACKING_URI": self.mlflow.address,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
            "PREFECT_API_URL": f"{self.prefect.address}/api",
            "PREFECT_API_AUTH_STRING": SETTINGS["PREFECT_AUTH"],
            "M2PT_SHARED_PREFECT": "1",  # the server is on this machine here, and not this project's
        }

    def add(self, name: str, password: str) -> None:
        """Give somebody a name and a password of MLflow, as the administrator does it."""
        self.ask("2.0/mlflow/users/create", {"username": name, "password": password})

    def ask(self, path: str, document: Mapping[str, str]) -> None:
        """Ask MLflow for something as its administrator."""
        request = urllib.request.Request(f"{self.mlflow.address}/api/{path}", json.dumps(document).encode())
        admin = base64.b64encode(f"admin:{SETTINGS['MLFLOW_PASSWORD']}".encode()).decode()
        request.add_header("Authorization", f"Basic {admin}")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request).close()


@contextmanager
def team() -> Iterator[Team]:
    """The servers of a team, made and started; all of it is gone afterwards."""
    folder = Path(mkdtemp(prefix="team-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        postgres = Postgres(programs(), folder / "postgres")
        stack.callback(postgres.stop)
        postgres.start()
        postgres.run("psql", "-Xq", "-d", "postgres", "-f", DEPLOY / "databases.sql")
        servers = [Server(name, postgres, folder) for name in ("mlflow", "prefect")]
        for server in servers:
            stack.callback(server.stop, signal.SIGKILL)
            server.start()
        yield Team(postgres, *servers)

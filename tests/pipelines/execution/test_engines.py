"""One study gives the same bytes, whatever does its runs, and whatever dies meanwhile."""

import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import psutil
import pytest

from tests.pipelines.execution.engine_study import (
    LIMIT_S,
    PROJECT,
    of_folder,
    require_one_run_each,
    started,
    training,
    write_study,
)
from tests.pipelines.execution.slurm_cluster import MISSING, SlurmCluster, slurm_cluster
from tests.waiting import comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(3600)]


RAY = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
"""What the nodes of a cluster are told, and whoever joins it; without a token, Ray would keep one in the home folder."""


def done(
    folder: Path, engine: str, meanwhile: Callable[[], None] = lambda: None, variables: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Do the study, the pathways of its first seed on two devices each; returns `results.csv`."""
    environment = os.environ | variables
    write_study(folder, f"{{devices: cpu, slots: 1, devices_per_job: 2, {engine}}}", narrow=True)
    assert started(folder, "first.log", environment).wait(LIMIT_S) == 0, (folder / "first.log").read_text()
    write_study(folder, f"{{devices: cpu, slots: 2, {engine}}}")
    doing = started(folder, "all.log", environment)
    meanwhile()
    assert doing.wait(LIMIT_S) == 0, (folder / "all.log").read_text()
    require_one_run_each(folder)
    return (folder / "build/engines/reports/results.csv").read_bytes()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the engine of one machine gives."""
    return done(tmp_path_factory.mktemp("local"), "engine: local")


NO_NAMESPACES = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
def test_a_ray_cluster_of_this_machine_gives_the_same_bytes(local: bytes, tmp_path: Path) -> None:
    assert done(tmp_path, "engine: ray") == local


@needs_ray
def test_a_ray_cluster_that_loses_a_node_gives_the_same_bytes(local: bytes, tmp_path: Path) -> None:
    """The node is gone with everything that ran on it; its run goes on elsewhere, from its checkpoint."""
    with cluster(tmp_path) as (address, node):

        def lose_a_node() -> None:
            assert comes_true(lambda: training(node.children(recursive=True))), (tmp_path / "all.log").read_text()
            lost = [node, *node.children(recursive=True)]
            for process in lost:
                process.suspend()  # all at once, as a machine without power
            for process in lost:
                process.kill()

        assert done(tmp_path, f"engine: ray, ray: {{address: '{address}'}}", lose_a_node, RAY) == local
    assert "is gone" not in (tmp_path / "all.log").read_text()  # its run was tried again, so that nobody has to care


@needs_ray
@pytest.mark.skipif(NO_NAMESPACES, reason="this process may make no mount namespaces")
def test_a_node_that_does_not_see_the_study_is_named_and_left_out(tmp_path: Path) -> None:
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(tmp_path))
    with cluster(tmp_path, hidden) as (address, _):
        write_study(tmp_path, f"{{devices: cpu, engine: ray, ray: {{address: '{address}'}}}}", narrow=True, epochs=1)
        assert started(tmp_path, "log", os.environ | RAY).wait(LIMIT_S) == 0, (tmp_path / "log").read_text()
    sentence = rf"execution\.engine: \S+ does not see {tmp_path}, which must be mounted there under the same path; the others do"
    assert re.search(sentence, (tmp_path / "log").read_text())


@contextmanager
def cluster(folder: Path, second: Sequence[str] = ()) -> Iterator[tuple[str, psutil.Process]]:
    """A Ray cluster of two nodes with two cores each: its address, and the node that is not its head, started by `second`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    environment = os.environ | RAY | {"PYTHONPATH": str(PROJECT)}
    nodes = []
    with TemporaryDirectory(prefix="ray-") as temporary, (folder / "ray.log").open("wb") as log:
        head = ["--head", "--port", str(port), "--include-dashboard=false", "--temp-dir", temporary]
        try:
            for before, part in (((), head), (second, ["--address", address])):
                command = [*before, str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=2", *part]
                nodes.append(psutil.Popen(command, stdout=log, stderr=log, env=environment))
                assert comes_true(lambda: len(raylets(nodes)) == len(nodes)), (folder / "ray.log").read_text()
            yield address, nodes[1]
        finally:
            for node in nodes:
                left = [*node.children(recursive=True), node]
                for process in left:
                    process.kill()
                psutil.wait_procs(left)


def raylets(nodes: list[psutil.Popen]) -> list[psutil.Process]:
    return [process for node in nodes for process in node.children(recursive=True) if process.name() == "raylet"]


@pytest.fixture
def slurm() -> Iterator[SlurmCluster]:
    """A real cluster of two nodes."""
    with slurm_cluster() as cluster:
        yield cluster


@pytest.mark.skipif(bool(MISSING) or find_spec("submitit") is None, reason=f"not installed: {', '.join(MISSING) or 'submitit'}")
def test_slurm_gives_the_same_bytes_though_it_takes_a_node_away_and_a_job_is_killed(
    local: bytes, tmp_path: Path, slurm: SlurmCluster
) -> None:
    """Everything is submitted at once, also what waits for encoders; a second call adds nothing; nobody waits."""

    def submitted() -> str:
        assert started(tmp_path, "log", slurm.environment).wait(LIMIT_S) == 0, (tmp_path / "log").read_text()
        return (tmp_path / "log").read_text()

    taken = slurm.take_all_nodes()
    write_study(tmp_path, "{devices: cpu, devices_per_job: 2, engine: slurm}", narrow=True)
    assert "2 runs submitted to SLURM; 4 runs will be submitted when what they wait for has ended." in submitted()
    assert "nothing new to submit to SLURM, 2 in its queue already; 4 runs will be" in submitted()
    slurm.ask("scancel", taken)
    slurm.work_off()
    write_study(tmp_path, "{devices: cpu, engine: slurm}")
    assert "10 runs submitted to SLURM." in submitted()
    assert comes_true(lambda: of_folder(tmp_path))
    taken = slurm.take_all_nodes()
    assert comes_true(lambda: ("PENDING", "BeginTime") in [job[1:] for job in slurm.queue()])
    slurm.ask("scancel", taken)
    assert slurm.comes_true(lambda: killed_a_worker(tmp_path))
    slurm.work_off()
    assert "the report is" in submitted()
    require_one_run_each(tmp_path)
    assert (tmp_path / "build/engines/reports/results.csv").read_bytes() == local


def killed_a_worker(folder: Path) -> bool:
    """Kill a process that trains a run of a folder, if there is one."""
    for process in of_folder(folder):
        process.kill()
        return True
    return False

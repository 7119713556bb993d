"""`deploy/ray-in-slurm.sh` on a real SLURM cluster of two nodes with networks of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.pipelines.execution.engine_study import LIMIT_S, PROJECT, require_one_run_each, started, write_study
from tests.pipelines.execution.slurm_cluster import MISSING, Host, slurm_cluster

pytestmark = [pytest.mark.patient, pytest.mark.timeout(3600)]

_ADDRESSES = {"one": "10.213.77.1", "two": "10.213.77.2"}
NO_LINKS = not shutil.which("ip") or bool(
    subprocess.run(["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "true"]).returncode
)


@contextmanager
def host(name: str, names: Path, *more: str) -> Iterator[tuple[int, Host]]:
    """A host with processes of its own, which finds others by `names`: the number of its first process, and how it is reached."""
    begin = 'mount --bind "$0" /etc/hosts && hostname "$1" && echo && exec sleep infinity'
    command = ["unshare", "--uts", "--mount", "--pid", "--fork", "--mount-proc", *more, "sh", "-c", begin, str(names), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as outside:
        try:
            assert outside.stdout is not None and outside.stdout.readline()
            (first,) = psutil.Process(outside.pid).children()
            kinds = ("--mount", "--uts", "--pid", *more)
            yield first.pid, Host(_ADDRESSES[name], ("nsenter", "--target", str(first.pid), *kinds))
            first.kill()  # and with it all processes of the host
        finally:
            outside.kill()


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Host one, in the network of this machine, and host two, at the other end of a cable."""
    names = folder / "hosts"
    known = "".join(f"{address} {name}\n" for name, address in _ADDRESSES.items())
    names.write_text(f"{Path('/etc/hosts').read_text()}\n{known}")
    with host("one", names) as (_, one), host("two", names, "--net") as (first, two):
        for command in (
            ["ip", "link", "add", "cable-one", "type", "veth", "peer", "name", "cable-two", "netns", str(first)],
            ["ip", "address", "add", f"{one.address}/30", "dev", "cable-one"],
            ["ip", "link", "set", "cable-one", "up"],
            [*two.before, "ip", "address", "add", f"{two.address}/30", "dev", "cable-two"],
            [*two.before, "ip", "link", "set", "cable-two", "up"],
            [*two.before, "ip", "link", "set", "lo", "up"],
        ):
            subprocess.run(command, check=True)
        yield one, two  # the cable goes with the network


@pytest.mark.skipif(bool(MISSING) or find_spec("ray") is None, reason=f"not installed: {', '.join(MISSING) or 'Ray'}")
@pytest.mark.skipif(NO_LINKS, reason="this process may make no networks")
def test_a_study_in_one_allocation_runs_on_all_its_nodes(tmp_path: Path) -> None:
    """Its results are those of one machine."""
    alone, folder = tmp_path / "alone", tmp_path / "allocation"
    write_study(alone, "{devices: cpu, slots: 2}")
    assert started(alone, "log").wait(LIMIT_S) == 0, (alone / "log").read_text()
    write_study(folder, "{devices: cpu, slots: 4}")
    with two_hosts(tmp_path) as (one, two), slurm_cluster(one, two) as slurm:
        path = f"{Path(sys.executable).parent}:{slurm.environment['PATH']}"
        variables = slurm.environment | {"PATH": path, "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)}
        sbatch = ["sbatch", "--wait", "--nodes=2", "--time=60", "--output=log", str(PROJECT / "deploy/ray-in-slurm.sh")]
        done = subprocess.run([*sbatch, "--study", "study.yaml"], cwd=folder, env=variables, timeout=LIMIT_S)
    said = (folder / "log").read_text()
    assert done.returncode == 0, said
    results = "build/engines/reports/results.csv"
    assert (folder / results).read_bytes() == (alone / results).read_bytes()
    require_one_run_each(folder)
    slots = {json.loads(path.read_text())["slot"] for path in folder.glob("runs/engines/*/local/inputs.json")}
    assert {slot.partition(".")[0] for slot in slots} == {"one", "two"}, slots
    assert not (tmp_path / ".ray").exists() and "--disable-frontend" in said

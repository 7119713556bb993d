"""A real SLURM cluster of two nodes on this machine: its controller, its daemons, and MUNGE, in a folder of their own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.waiting import comes_true

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))

MISSING = [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]
"""The programs that are not installed here (Debian: `slurm-wlm` and `munge`)."""

_SETTLED_S = 5.0

_SETTINGS = """
ClusterName=tests
SlurmctldHost=localhost({one.address})
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,bf_interval=1
NodeName=one NodeHostname=localhost NodeAddr={one.address} Port={ports[1]} CPUs=2 RealMemory=4096 State=UNKNOWN
NodeName=two NodeHostname=localhost NodeAddr={two.address} Port={ports[2]} CPUs=2 RealMemory=4096 State=UNKNOWN
PartitionName=low Nodes=one,two Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=30 PreemptMode=REQUEUE
PartitionName=high Nodes=one,two MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


@dataclass(frozen=True)
class Host:
    """Where a node is: its address, and what a command begins with that is to run there."""

    address: str = "127.0.0.1"
    before: tuple[str, ...] = ()


HERE = Host()


class SlurmCluster:
    """What a test does with the cluster, through SLURM's own commands."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._waiting: dict[str, float] = {}
        """Since when each job waits that was queued again."""

    def ask(self, *command: str) -> str:
        """What a command of SLURM prints."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def queue(self) -> list[tuple[str, str, str]]:
        """The jobs that have not ended: id, state, and why they wait."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i|%T|%r").splitlines()
        return [(job, state, why) for job, state, why in (line.split("|") for line in lines)]

    def tell(self, job: str, name: str) -> None:
        """Send a signal to the processes of a job, if it has not ended; `scancel` tries for 95 s where one ends just then."""
        quiet = subprocess.DEVNULL
        subprocess.Popen(["scancel", f"--signal={name}", job], env=self.environment, stdout=quiet, stderr=quiet)

    def empty(self) -> None:
        """Cancel all jobs, and wait until they have ended."""
        self.ask("scancel", "--user", getpass.getuser())
        self.work_off(60.0)

    def take_all_nodes(self) -> str:
        """Submit a job that takes both nodes away from what runs there; returns it."""
        asked = ("--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3600")
        return self.ask("sbatch", "--parsable", *asked).strip()

    def hurry(self) -> None:
        """Let jobs that were queued again start soon: SLURM lets them wait for two minutes.

        At once would be too soon: SLURM may still be told of the end of the script that it has taken away, and takes that for
        the end of the new one.
        """
        waiting = {job for job, state, why in self.queue() if (state, why) == ("PENDING", "BeginTime")}
        self._waiting = {job: self._waiting.get(job, time.monotonic()) for job in waiting}
        for job, since in self._waiting.items():
            if time.monotonic() - since > _SETTLED_S:
                self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def comes_true(self, condition: Callable[[], object]) -> bool:
        """Whether a condition comes true while jobs that wait are hurried."""

        def look() -> object:
            self.hurry()
            return condition()

        return comes_true(look)

    def work_off(self, limit_s: float = 900.0) -> None:
        """Wait until all jobs have ended."""
        deadline = time.monotonic() + limit_s
        while self.queue():
            assert time.monotonic() < deadline, self.queue()
            self.hurry()
            time.sleep(0.5)


@contextmanager
def slurm_cluster(one: Host = HERE, two: Host = HERE) -> Iterator[SlurmCluster]:
    """The cluster, which ends with the context; its controller is on the host of node one."""
    with TemporaryDirectory(prefix="slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        for place in ("munge", "state", "spool-one", "spool-two"):
            (folder / place).mkdir(mode=0o700)
        settings = folder / "slurm.conf"
        settings.write_text(_SETTINGS.format(folder=folder, user=getpass.getuser(), ports=_ports(3), one=one, two=two))
        environment = os.environ | {"SLURM_CONF": str(settings), "PATH": _PATH}
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o600)
        places = [f"--{part}={folder / 'munge' / part}" for part in ("socket", "pid-file", "log-file", "seed-file")]
        commands = (
            ["munged", "--foreground", "--force", f"--key-file={key}", *places],
            ["slurmctld", "-D", "-c"],
            [*one.before, "slurmd", "-D", "-N", "one"],
            [*two.before, "slurmd", "-D", "-N", "two"],
        )
        with (folder / "output").open("wb") as output:
            for command in commands:
                process = psutil.Popen(command, env=environment, stdout=output, stderr=output)
                stack.callback(_end, process)
                if command[0] == "munged":
                    assert comes_true((folder / "munge" / "socket").exists), (folder / "output").read_text()
        cluster = SlurmCluster(environment)
        assert comes_true(lambda: _idle(cluster)), (folder / "output").read_text()
        stack.callback(cluster.empty)
        yield cluster


def _idle(cluster: SlurmCluster) -> bool:
    try:
        return cluster.ask("sinfo", "--noheader", "--partition=low", "--format=%T").split() == ["idle"]
    except subprocess.CalledProcessError:
        return False


def _ports(count: int) -> list[int]:
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def _end(process: psutil.Popen) -> None:
    left = [*process.children(recursive=True), process]
    for each in left:
        each.kill()
    psutil.wait_procs(left)

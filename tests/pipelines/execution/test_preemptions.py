"""A hundred times a machine is taken away from a run, on every engine: it saves in time, and nothing shows in the results."""

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from m2pt.runs.folder import CHECKPOINT, FAILURE, is_complete, read_history
from pipelines.execution.slurm.jobs import own_id
from tests.pipelines.execution.engine_study import LIMIT_S, of_folder, require_one_run_each, started, write_study
from tests.pipelines.execution.slurm_cluster import MISSING, slurm_cluster
from tests.waiting import comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(7200)]

EPOCHS = 400
EXIT_LIMIT_S = 10.0


def results(folder: Path) -> bytes:
    return (folder / "build/engines/reports/results.csv").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of the study that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_study(folder, "{devices: cpu, slots: 2}", epochs=EPOCHS)
    assert started(folder, "log").wait(LIMIT_S) == 0, (folder / "log").read_text()
    return results(folder)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, also if its parent has not asked how."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def take_away(chance: random.Random, folder: Path, send: Callable[[psutil.Process, signal.Signals], None]) -> bool:
    """Signal one of the runs that train, if there is one, and see it end; returns whether there was one."""
    if not (runs := of_folder(folder)):
        return False
    process, run_dir = chance.choice(sorted(runs.items(), key=lambda item: item[1]))
    done, told = len(read_history(run_dir)), time.time()
    send(process, chance.choice((signal.SIGTERM, signal.SIGUSR1)))
    assert comes_true(partial(has_ended, process)) and time.time() - told < EXIT_LIMIT_S, time.time() - told
    assert not (run_dir / FAILURE).exists()
    if not is_complete(run_dir):  # it has saved after it was told, so that no more than the step of that moment is lost
        assert (run_dir / CHECKPOINT).stat().st_mtime >= told
        assert len(read_history(run_dir)) >= done
    return True


def disturbed(
    folder: Path, times: int, send: Callable[[psutil.Process, signal.Signals], None], again: Callable[[], bool]
) -> None:
    """Take runs away at random moments, and go on (`again`, which says that all is complete) until nothing is left."""
    chance, taken = random.Random(times), 0
    while not again():
        time.sleep(chance.uniform(0.0, 1.5))
        taken += taken < times and take_away(chance, folder, send)
    assert taken == times, "more epochs are needed"
    for run_dir in folder.glob("runs/engines/*/"):
        assert [line["epoch"] for line in read_history(run_dir)] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize(
    ("engine", "times"),
    [("local", 40), pytest.param("ray", 30, marks=pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"))],
)
def test_runs_that_are_taken_away_again_and_again_give_the_same(
    engine: str, times: int, undisturbed: bytes, tmp_path: Path
) -> None:
    """Each of them is tried once more by the same command, then by the next one."""
    write_study(tmp_path, f"{{devices: cpu, slots: 2, engine: {engine}}}", epochs=EPOCHS)
    calls = [started(tmp_path, "log")]

    def again() -> bool:
        code = calls[-1].poll()
        if code not in (None, 0):
            assert "left for the next start" in (tmp_path / "log").read_text()
            calls.append(started(tmp_path, "log"))
        return code == 0

    disturbed(tmp_path, times, lambda process, number: process.send_signal(number), again)
    require_one_run_each(tmp_path)
    assert results(tmp_path) == undisturbed


@pytest.mark.skipif(bool(MISSING) or find_spec("submitit") is None, reason=f"not installed: {', '.join(MISSING) or 'submitit'}")
def test_jobs_that_slurm_takes_away_again_and_again_give_the_same(undisturbed: bytes, tmp_path: Path) -> None:
    """Each of them is queued again by itself: the study is submitted once."""
    with slurm_cluster() as slurm:
        write_study(tmp_path, "{devices: cpu, slots: 2, engine: slurm}", epochs=EPOCHS)
        assert started(tmp_path, "log", slurm.environment).wait(LIMIT_S) == 0, (tmp_path / "log").read_text()

        def again() -> bool:
            slurm.hurry()
            return not slurm.queue()

        def send(process: psutil.Process, number: signal.Signals) -> None:
            slurm.tell(own_id(process.environ()), number.name.removeprefix("SIG"))

        disturbed(tmp_path, 30, send, again)
        assert started(tmp_path, "log", slurm.environment).wait(LIMIT_S) == 0, (tmp_path / "log").read_text()
        require_one_run_each(tmp_path)
        assert results(tmp_path) == undisturbed

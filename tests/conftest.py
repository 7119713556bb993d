"""Imported before any test, and before torch: tests see none of the caller's settings, and lean on nothing of the machine."""

import os
import random
import signal
import sys
from collections.abc import Iterator

import pytest

# A variable that steers one of our tools, the interpreter's threads, git or CUDA would steer what is tested.
_OTHERS = (
    "PREFECT", "MLFLOW", "DVC", "M2PT", "OPTUNA", "MPL", "GIT_", "TORCH", "PYTORCH", "CUDA", "CUBLAS", "NVIDIA", "OMP_", "MKL_",
    "OPENBLAS_", "ATEN_", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_", "HYPOTHESIS_STORAGE",
)  # fmt: skip
for _name in [name for name in os.environ if name.startswith(_OTHERS)]:
    del os.environ[_name]
# A test that forgets to name a server must fail, where Prefect would start one in the process of the tests.
os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
# What is said of the command is the same wherever the tests are: a shell finds it by its name.
os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}"  # noqa: PTH120
os.umask(0o022)

import hypothesis  # noqa: E402
import torch  # noqa: E402

import m2pt  # noqa: E402

assert m2pt.__version__

# The same examples on every machine, however slow it is, and nothing remembered between two runs of the tests.
hypothesis.settings.register_profile("anywhere", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("anywhere")

# As in a job: results do not depend on the number of cores, and tests that run side by side do not slow one another down.
torch.set_num_threads(1)

# A shell starts background commands with interrupts ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """What a command or a job sets in its process is put back, so that no test sees what the one before has set."""
    variables, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    deterministic, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.set_num_threads(threads)
    if os.environ != variables:
        os.environ.clear()
        os.environ.update(variables)
    signal.signal(signal.SIGTERM, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order-seed", type=int, help="run the tests in an order drawn from this number, file by file")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--order-seed")
    if seed is not None:
        draw = random.Random(seed)
        places = {path: draw.random() for path in sorted({item.path for item in items})}
        items.sort(key=lambda item: (places[item.path], draw.random()))

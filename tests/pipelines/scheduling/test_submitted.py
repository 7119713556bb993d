"""A schedule of a study whose runs SLURM does: one flow run submits them, the next brings them in."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import pytest

from tests.pipelines.execution.slurm_cluster import MISSING, slurm_cluster
from tests.pipelines.scheduling.conftest import Prefect, comes_to, end_all, make_project, started, state_of
from tests.pipelines.scheduling.test_steering import deployed

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING) or find_spec("submitit") is None, reason=f"not installed: {', '.join(MISSING) or 'submitit'}"
    ),
    pytest.mark.patient,
    pytest.mark.timeout(1500),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "night", epochs=2, seeds="0, 1")
    end_all(tmp_path)


def test_one_flow_run_submits_and_the_next_brings_the_results_in(prefect: Prefect, project: Path) -> None:
    with slurm_cluster() as slurm, prefect.client() as client:
        variables = slurm.environment | prefect.variables | {"PATH": slurm.environment["PATH"]}
        serve = ("pipelines", "serve", "--every", "86400", "--study", "night.yaml")
        with started(project, variables, *serve) as process:
            deployment = deployed(client, "night", process)

            def start() -> UUID:
                given = {"study": "night.yaml", "engine": "slurm"}
                return client.create_flow_run_from_deployment(deployment, parameters=given).id

            first = start()
            comes_to(client, first, "Submitted")
            assert state_of(client, first).message == "2 runs submitted to SLURM"
            slurm.work_off()
            assert len(list(project.glob("runs/night/*/record.json"))) == 2
            assert not (project / "build/night/reports").exists()
            second = start()
            comes_to(client, second, "Completed")
            assert str(state_of(client, second).message).endswith("2 of 2 fine-tuning runs are complete")
    assert (project / "build/night/reports/index.html").is_file()

"""A study is started from its deployment's form; what it did is on the flow run's page and is told to a webhook."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter
from prefect.client.schemas.objects import Artifact

from pipelines.planning.study_file import ENGINES
from tests.pipelines.scheduling.conftest import ROOT, Prefect, comes_to, end_all, jobs, make_project, started, state_of
from tests.pipelines.scheduling.test_notice import receiver
from tests.pipelines.scheduling.test_steering import deploy, deployed
from tests.waiting import comes_true

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    make_project(tmp_path, "slow", epochs=1_000_000)
    yield make_project(tmp_path, "formed", epochs=2, seeds="0, 1", methods="baseline, random_auxiliary")
    end_all(tmp_path)


def artifacts(prefect: Prefect, flow_run: UUID) -> dict[str, Artifact]:
    """The artifacts of a flow run, by their keys."""
    with prefect.client() as client:
        of_it = FlowRunFilter.model_validate({"id": {"any_": [flow_run]}})
        found = client.read_artifacts(artifact_filter=ArtifactFilter(), flow_run_filter=of_it)
    return {str(artifact.key): artifact for artifact in found}


@pytest.mark.patient
def test_a_form_chooses_and_is_refused_in_our_words(prefect: Prefect, project: Path):
    with receiver() as (address, received), prefect.client() as client:
        serve = ("pipelines", "serve", "--every", "86400", "--study", "formed.yaml")
        with started(project, prefect.variables | {"M2PT_NOTIFY_URL": address}, *serve) as process:
            deployment = deployed(client, "formed", process)
            fields = client.read_deployment(deployment).parameter_openapi_schema["properties"]
            assert list(fields) == ["study", "seeds", "methods", "targets", "budget_minutes", "engine"]
            assert all(field["description"] for field in fields.values())
            assert "pathway" in fields["methods"]["items"]["enum"]
            assert fields["engine"]["enum"] == ["as declared", *ENGINES]

            def start(**parameters: Any) -> UUID:
                return client.create_flow_run_from_deployment(deployment, parameters={"study": "formed.yaml"} | parameters).id

            wrong = start(seeds=[0, "x"])
            comes_to(client, wrong, "Failed")
            sentence = "seeds: 'x' is no whole number; give seeds of the study, such as 0."
            assert state_of(client, wrong).message == sentence
            assert not (project / "runs/formed").exists()

            part = start(seeds=[0], methods=["baseline"])
            comes_to(client, part, "Completed")
            assert state_of(client, part).message == (
                "0 of 0 pretraining runs are complete; 1 of 1 fine-tuning runs are complete"
            )
            (run_dir,) = (project / "runs/formed").iterdir()
            assert run_dir.name.startswith("image-baseline-scratch-full-s0")
            assert (run_dir / "record.json").is_file()
            page = project / "build/formed/reports/index.html"
            shown = artifacts(prefect, part)
            assert page.as_uri() in str(shown["report-page-formed"].data)
            assert str(shown["report-formed"].data).startswith("# Study formed")

            late = start(study="slow.yaml", budget_minutes=0.2)
            comes_to(client, late, "BudgetSpent")
            assert not jobs(project)
            assert state_of(client, late).message == (
                "the budget is spent: 0 of 1 fine-tuning runs are complete, 1 left for the next start; "
                "missing: image-baseline-scratch-full-s0; the next start goes on from the last checkpoints"
            )

        told = [(notice["study"], notice["state"], notice["message"], notice["report"]) for notice in received]
        slow = (project / "build/slow/reports/index.html").as_uri()
        assert told[0] == ("formed", "failed", sentence, "")
        assert told[1] == ("formed", "complete", state_of(client, part).message, page.as_uri())
        assert told[2] == ("slow", "budget spent", state_of(client, late).message, slow)
        assert received[1]["page"] == f"{prefect.page}/runs/flow-run/{part}"
        logged = (project / "out.txt").read_text() + (project / ".m2pt/logs/serve.log").read_text()
        logged += json.dumps([log.message for log in client.read_logs()])
        assert "SECRET" not in logged
        assert prefect.auth not in logged


def says(client: SyncPrefectClient, flow_run: UUID, sentence: str) -> Callable[[], bool]:
    return lambda: state_of(client, flow_run).message == sentence


@pytest.mark.patient
@pytest.mark.parametrize("by_worker", [False, True], ids=["served", "worker"])
def test_what_no_form_has_is_refused_in_our_words(prefect: Prefect, project: Path, by_worker: bool):
    """Through Prefect's API, which takes any JSON; the page of the form offers its fields alone."""
    fields = "It has study, seeds, methods, targets, budget_minutes, engine."
    forms: list[tuple[dict[str, Any], str]] = [
        ({"foo": 1}, f"foo: is no field of the form. {fields}"),
        ({"": 1, "budget-minute": 2}, "'': is no field of the form. 'budget-minute': is no field of the form; did you mean "
         f"budget_minutes? {fields}"),
        ({"study": "slow.yaml\0x"}, "study: 'slow.yaml\\x00x' is no path of a study file; give one, such as params.yaml."),
        ({"budget_minutes": 1e300}, "budget_minutes: 1e+300 is no number of minutes; give one above 0 and up to 527040 (a year), "
         "or 0 for no limit."),
        ({"engine": "slrum"}, "engine: there is no engine 'slrum'; use one of local, ray, slurm."),
        ({"engine": ["ray"]}, "engine: ['ray'] is no name of an engine; choose one, or `as declared` for that of the study."),
        ({"engine": "slurm", "seeds": [0]}, "seeds, methods, targets, budget_minutes: what is left of the study formed is "
         "submitted to SLURM as a whole; leave them empty, or choose another engine."),
    ]  # fmt: skip
    with receiver() as (address, received), prefect.client() as client:
        command = ("pipelines", "serve", "--every", "31622400", "--study", "formed.yaml")
        if by_worker:
            deployment = deploy(prefect, project, client, "forms")
            command = ("prefect", "worker", "start", "--pool", "forms")
        with started(project, prefect.variables | {"M2PT_NOTIFY_URL": address}, *command) as process:
            if not by_worker:
                deployment = deployed(client, "formed", process)
            for form, sentence in forms:
                wrong = client.create_flow_run_from_deployment(deployment, parameters={"study": "formed.yaml"} | form).id
                assert comes_true(says(client, wrong, sentence)), state_of(client, wrong)
                assert state_of(client, wrong).name == "Failed"
                assert comes_true(lambda: bool(received))
                notice = received.pop()
                assert (notice["state"], notice["message"]) == ("failed", sentence)
                assert notice["page"] == f"{prefect.page}/runs/flow-run/{wrong}"
        assert not (project / "runs").exists()


SHOW = """
import sys
from pathlib import Path
from pipelines.scheduling.artifacts import show_report
from pipelines.scheduling.pages import Pages
with Pages.of("shows", "embedded", print, lambda: True) as pages:
    show_report(pages, "embedded", Path(sys.argv[1]))
    print(pages.known())
"""


def test_the_answer_with_its_matrix_and_the_report_are_on_the_page(prefect: Prefect, tmp_path: Path):
    page = ROOT / "reports/index.html"
    command = [sys.executable, "-c", SHOW, str(page)]
    variables = prefect.variables | {"PYTHONPATH": str(ROOT), "PREFECT_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    flow_run = UUID(done.stdout.split()[-1])
    assert comes_true(lambda: len(artifacts(prefect, flow_run)) == 3)
    shown = artifacts(prefect, flow_run)
    assert all(artifact.description for artifact in shown.values())
    answer = str(shown["answer-embedded"].data)
    assert shown["answer-embedded"].type == "markdown"
    assert answer.startswith("Does a pathway") and re.search(r"^\*\*This study .*\.\*\*$", answer, re.MULTILINE)
    (content,) = re.findall(r"!\[[^\]]+\]\(data:image/png;base64,([^)]+)\)", answer)
    assert base64.b64decode(content) == (ROOT / "reports/figures/answer-pretrained-full.png").read_bytes()
    text = str(shown["report-embedded"].data)
    assert shown["report-embedded"].type == "markdown"
    assert text.splitlines()[0] == (ROOT / "reports/report.md").read_text().splitlines()[0]
    assert "](figures/" not in text  # a page cannot show them; the picture above and the report's own page can
    assert page.as_uri() in str(shown["report-page-embedded"].data)

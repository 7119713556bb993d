"""The flows on a real local Prefect server; what it shows is read from its database."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from m2pt.config.study_file import load_study
from m2pt.files import documents
from m2pt.runs.folder import RECORD, create_run
from m2pt.runs.spec import RunSpec
from pipelines.planning.plan import resolve
from tests.run_records import finetune_document

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "studies/smoke.yaml"
FAKE = Path(__file__).with_name("fake_worker.py")

SESSION = """
import sys
from functools import partial
from pathlib import Path
from pipelines.execution import process_environment
from pipelines.scheduling import server
process_environment.prepare()
from m2pt.config.study_file import load_study
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.execution.slot_pool import local_engine
study = load_study("study.yaml")
engine = partial(local_engine, worker_command=[sys.executable, *sys.argv[1:]])
with Session(study, Display(), engine) as session, server.used(Path("server.log")) as used:
    session.warm()
    from pipelines.scheduling import flows
    used.ready()
    print(flows.run("sweep", session, flows.sweep)[0].sentence())
"""

STUDY = """
study: fake
data: {root: data, embedded: {}}
encoders: {}
sweep: {seeds: [0, 1, 2], targets: [image], auxiliaries: [], methods: [baseline, random_auxiliary], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
execution: {devices: cpu, slots: 2}
"""


def environment(home: Path) -> dict[str, str]:
    """As a user's, with the databases of Prefect and MLflow of this test session (making each takes many seconds)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {"PREFECT_HOME": str(home), "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}


def command(project: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments], cwd=project, env=environment(home), capture_output=True, text=True
    )


def rows(home: Path, query: str, *values: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(f"{(home / 'prefect.db').as_uri()}?mode=ro", uri=True) as database:
        return database.execute(query, values).fetchall()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "prefect-home"
    folder.mkdir(exist_ok=True)
    return folder


def test_one_failed_cell_and_one_dead_worker(tmp_path: Path, home: Path):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "data/image").mkdir(parents=True)
    (tmp_path / "data/image/one.txt").write_text("1")
    arguments = [sys.executable, "-c", SESSION, str(FAKE), "image-baseline-scratch-full-s1", "random_auxiliary-scratch-full-s0"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "5 of 6 fine-tuning runs are complete, 1 failed" in done.stdout

    tries = {
        path.parents[1].name.rpartition("-")[0]: path.read_text() for path in (tmp_path / "runs/fake").glob("*/local/tries.txt")
    }
    assert tries == {
        f"image-{method}-scratch-full-s{seed}": "2" if (method, seed) == ("baseline", 1) else "1"
        for method in ("baseline", "from-random-random_auxiliary")
        for seed in (0, 1, 2)
    }

    shown = rows(home, "SELECT name, state_name, state_type FROM flow_run WHERE name = 'sweep fake'")
    assert shown == [("sweep fake", "Failed", "FAILED")]
    states = dict(rows(home, "SELECT t.name, t.state_type FROM task_run t JOIN flow_run f ON t.flow_run_id = f.id "
                             "WHERE f.name = 'sweep fake'"))  # fmt: skip
    failed = "image-from-random-random_auxiliary-scratch-full-s0"
    assert states == {name: "FAILED" if name == failed else "COMPLETED" for name in tries}
    logged = [message for (message,) in rows(home, "SELECT message FROM log")]
    assert f"{failed}: the moon was in the way." in logged
    assert "image-baseline-scratch-full-s0: running" in logged
    assert "image-baseline-scratch-full-s0: val 12.5 %, test 25.0 %" in logged
    assert any("1 failed" in str(data) for (data,) in rows(home, "SELECT data FROM artifact"))
    ((table,),) = rows(home, "SELECT data FROM artifact WHERE type = 'table'")
    assert [row["run"] for row in json.loads(json.loads(table))] == [failed], "the pages read a table from a text"
    assert "Traceback" not in done.stdout + done.stderr
    assert f"{failed}: FAILED, the moon was in the way." in done.stdout


SCHEDULED = """
from pathlib import Path
from pipelines.execution import process_environment
from pipelines.scheduling import server
process_environment.prepare()
with server.used(Path("server.log")) as used:
    from pipelines.scheduling import flows
    used.ready()
    state = flows.study("study.yaml", return_state=True)
    print(state.type.value, state.message)
"""


def test_a_schedule_does_not_mix_environments_either(tmp_path: Path, home: Path):
    """It ends as failed with the sentence that says what differs, and has run nothing."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "data/image").mkdir(parents=True)
    (tmp_path / "data/image/one.txt").write_text("1")
    folder = tmp_path / "runs/fake"
    specs = resolve_in(tmp_path)
    kept = create_run(folder, specs[0])
    documents.write_json(kept / RECORD, finetune_document(kept.name))  # done elsewhere: nothing says how
    done = subprocess.run([sys.executable, "-c", SCHEDULED], cwd=tmp_path, env=environment(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "FAILED" in done.stdout
    assert "compared with 1 fine-tuning run computed with an environment that is not recorded" in done.stdout
    assert [path.name for path in folder.iterdir()] == [kept.name]


def resolve_in(project: Path) -> list[RunSpec]:
    with contextlib.chdir(project):
        return list(resolve(load_study("study.yaml")).runs)


def test_the_smoke_study_end_to_end(tmp_path: Path, home: Path):
    shutil.copy(SMOKE, tmp_path / "smoke.yaml")
    first = command(tmp_path, home, "study", "--study", "smoke.yaml")
    assert first.returncode == 0, first.stderr
    *_, report, next_step = first.stdout.splitlines()
    assert report == "smoke: the report is build/smoke/reports/index.html"
    assert next_step.startswith("Next: open it in a browser."), "one seed says nothing of how many an answer takes"
    results = pd.read_csv(tmp_path / "build/smoke/reports/results.csv")
    assert list(results["status"]) == ["complete"] * 8
    assert set(zip(results["target"], results["auxiliary"].fillna(""), results["method"], strict=True)) == {
        (target, auxiliary, method)
        for target, other in (("image", "point"), ("point", "image"))
        for auxiliary, method in (
            ("", "baseline"), (other, "pathway"), ("random", "random_auxiliary"), (target, "own_lineage"))
    }  # fmt: skip
    assert len(list((tmp_path / "encoders/smoke").glob("*/encoder.safetensors"))) == 4
    assert rows(home, "SELECT state_name FROM flow_run WHERE name = 'study smoke'") == [("Completed",)]

    (record, *others) = sorted((tmp_path / "runs/smoke").glob("*/record.json"))
    stamps = {path: path.stat().st_mtime_ns for path in others}
    content = record.read_bytes()
    record.unlink()
    assert command(tmp_path, home, "sweep", "--study", "smoke.yaml").returncode == 0
    assert record.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in others} == stamps
    shown = rows(home, "SELECT t.name FROM task_run t JOIN flow_run f ON t.flow_run_id = f.id WHERE f.name = 'sweep smoke'")
    assert [name for (name,) in shown] == [record.parent.name.rpartition("-")[0]]

    attempts = [json.loads(path.read_text())["attempts"] for path in (tmp_path / "runs/smoke").glob("*/local/execution.json")]
    assert sorted(map(len, attempts)) == [1] * 7 + [2]

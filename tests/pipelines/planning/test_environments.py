"""Runs that would stand beside runs of another environment: refused, done anew, or mixed and named, never in silence."""

import json
import re
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.config.study_file import load_study
from m2pt.data.fingerprints import CACHE
from m2pt.files import documents
from m2pt.files.state import state_of
from m2pt.runs import environment
from m2pt.runs.folder import CHECKPOINT, EXECUTION, RECORD, create_run
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from pipelines.__main__ import main
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning import environments, job_inputs
from pipelines.planning.plan import FINE_TUNING, resolve
from pipelines.reporting.rendering import render_report
from tests.run_records import finetune_document, pretrain_document

STUDY = """
study: small
data: {root: data, embedded: {}}
encoders: {}
sweep: {seeds: [0, 1], targets: [image], auxiliaries: [], methods: [baseline, random_auxiliary], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
execution: {devices: cpu, other_environment: %s}
"""
OLD = {"code_sha256": "1" * 64, "git_commit": "c" * 40 + "+changes"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/image").mkdir(parents=True)
    (tmp_path / "data/image/one.txt").write_text("1")
    declare("refuse")
    return tmp_path


def declare(rule: str, seeds: str = "[0, 1]") -> None:
    Path("params.yaml").write_text(STUDY.replace("[0, 1]", seeds) % rule)


def runs() -> list[RunSpec]:
    return list(resolve(load_study("params.yaml")).runs)


def leave(spec: Spec, complete: bool = True, study: str = "small", **changes: object) -> Path:
    """A run that was done, or begun, here, but for some changes of its environment."""
    run_dir = create_run(Path("runs") / study, spec)
    here = environment.facts("cpu", environment.processor_name(), job_inputs.THREADS)
    attempt = {
        **here.model_dump(),
        "started": "2026-11-21T11:00:00+00:00",
        "resumed": False,
        "seconds": {"total": 1.0},
        **changes,
    }
    documents.write_json(run_dir / EXECUTION, {"attempts": [attempt]})
    if not complete:
        documents.write_atomic(run_dir / CHECKPOINT, b"")
        return run_dir
    record = pretrain_document if isinstance(spec, PretrainSpec) else finetune_document
    documents.write_json(run_dir / RECORD, record(run_dir.name, val_score=50.0 + spec.seed))
    return run_dir


def prepare() -> None:
    with Session(load_study("params.yaml"), Display()) as session:
        session.prepare(FINE_TUNING)


def test_one_more_seed_after_a_change_of_the_code_is_refused_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]):
    kept = [leave(spec, **OLD) for spec in runs()]
    declare("refuse", "[0, 1, 2]")
    assert main(["sweep"]) == 2
    said = capsys.readouterr().err
    digest = environment.code_sha256()[:10]
    assert f"compared with 4 fine-tuning runs computed with m2pt's source code 1111111111 (here {digest})" in said
    assert "set execution.other_environment to redo" in said
    assert len(said.splitlines()) == 1
    assert not Path(".prefect").exists()
    assert main(["study", "--study", "params.yaml"]) == 2
    assert all((run_dir / RECORD).is_file() for run_dir in kept)


def test_plan_and_status_say_so_before_anything_is_run(capsys: pytest.CaptureFixture[str]):
    for spec in runs():
        leave(spec, device="cuda", device_name="A card")
    for rule, end in (("refuse", "are refused"), ("mix", "the report lists every environment"), ("redo", "will be repeated")):
        declare(rule, "[0, 1, 2]")
        assert main(["plan"]) == 0
        assert main(["status"]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if "4 fine-tuning runs computed with" in line]
        assert len(lines) == 2
        assert all("device cuda (A card) (here cpu" in line and end in line for line in lines)
    assert main(["plan", "--json"]) == 0
    assert "A card" in json.loads(capsys.readouterr().out)["environments"][0]


def test_what_is_remembered_wrongly_of_a_run_is_read_again(capsys: pytest.CaptureFixture[str]):
    known = {}
    for spec in runs():
        path = leave(spec, **OLD) / EXECUTION
        known[str(path)] = [[*state_of(path.stat())], 0]
    memory = CACHE / "parsed" / "environments-small-finetune.json"
    documents.write_json(memory, {"form": environments._FORM, "values": [[5, None]], "files": known})
    assert main(["status"]) == 0
    assert capsys.readouterr().err == ""


def test_what_is_all_there_and_what_is_all_from_here_is_not_refused():
    for spec in runs():
        leave(spec, **OLD)
    prepare()
    for spec in runs():
        leave(spec, git_commit="another commit of the same code")
    declare("refuse", "[0, 1, 2]")
    prepare()


@pytest.mark.parametrize("attempts", [[], None], ids=["no ledger", "a ledger without facts"])
def test_runs_of_an_unknown_environment_are_another_one(attempts: object):
    for spec in runs():
        run_dir = leave(spec)
        (run_dir / EXECUTION).unlink()
        if attempts is None:
            documents.write_json(
                run_dir / EXECUTION, {"attempts": [{"started": "2026-11-21T11:00:00+00:00", "seconds": {"total": 1.0}}]}
            )
    declare("refuse", "[0, 1, 2]")
    with pytest.raises(UserError, match="4 fine-tuning runs computed with an environment that is not recorded"):
        prepare()


def test_a_run_that_was_begun_elsewhere_does_not_go_on_here():
    leave(runs()[0], complete=False, **OLD)
    with pytest.raises(UserError, match="1 fine-tuning run computed with m2pt's source code 1111111111"):
        prepare()


def test_runs_that_come_back_beside_runs_of_another_environment_are_told(capsys: pytest.CaptureFixture[str]):
    """A study narrowed to a new seed and widened again has nothing to run, and mixes all the same."""
    for spec in runs():
        leave(spec, **OLD)
    declare("refuse", "[2]")
    prepare()
    for spec in runs():
        leave(spec)
    declare("refuse", "[0, 1, 2]")
    capsys.readouterr()
    prepare()
    told = "4 fine-tuning runs computed with m2pt's source code 1111111111 (here "
    lines = [line for line in capsys.readouterr().out.splitlines() if "runs of several environments are compared" in line]
    assert [told in line for line in lines] == [True]
    assert main(["plan"]) == 0
    assert told in capsys.readouterr().out


def test_algorithms_that_may_differ_from_run_to_run_are_another_environment(capsys: pytest.CaptureFixture[str]):
    first, second, *_ = runs()
    leave(first, deterministic=None)  # as older code wrote it
    leave(second)
    prepare()
    Path("params.yaml").write_text(STUDY.replace("devices: cpu", "devices: cpu, deterministic: false") % "refuse")
    plan = resolve(load_study("params.yaml"))
    assert [job_inputs.job_inputs(plan, spec).deterministic for spec in plan.runs] == [False] * 4
    words = "2 fine-tuning runs computed with algorithms none (here that may differ from run to run)"
    with pytest.raises(UserError, match=re.escape(words)):
        prepare()
    assert main(["plan"]) == 0
    assert words in capsys.readouterr().out


def test_redo_keeps_what_was_there_and_has_it_done_anew():
    old, *new = runs()
    moved = leave(old, **OLD)
    kept = [leave(spec) for spec in new]
    content = (moved / RECORD).read_bytes()
    declare("redo")
    prepare()
    assert [path.exists() for path in (moved, *kept)] == [False, True, True, True]
    assert (Path("runs/.replaced/small") / moved.name / RECORD).read_bytes() == content
    leave(old, **OLD)
    prepare()  # a second time beside the first
    assert len(list(Path("runs/.replaced/small").iterdir())) == 2


def test_a_job_is_told_what_it_will_stand_beside():
    """So that a worker that was started with other code, or on another device, finds out by itself."""
    kept = leave(runs()[0])
    with Session(load_study("params.yaml"), Display()) as session:
        session.prepare(FINE_TUNING)
        assert session.assigned(runs()[1])[1].beside == tuple(environments.of_run(kept))
    declare("mix")
    with Session(load_study("params.yaml"), Display()) as session:
        session.prepare(FINE_TUNING)
        assert session.assigned(runs()[1])[1].beside == ()


def test_the_report_names_what_it_mixes_and_which_runs_are_of_which(tmp_path: Path):
    for spec in runs():
        leave(spec, **(OLD if spec.seed == 0 else {"git_commit": "d" * 40}))
    page = render_report(resolve(load_study("params.yaml")), tmp_path / "out").read_text()
    text, costs = ((tmp_path / "out" / name).read_text() for name in ("report.md", "local/costs.md"))
    digest = environment.code_sha256()[:10]
    sentence = f"2 (seed 0): m2pt's source code 1111111111; 2 (seed 1): m2pt's source code {digest}."
    assert f"come from different environments, and may differ because of that: {sentence}" in text
    assert "come from different environments" in page
    assert "| 2 | seed 0 | cpu" in costs
    for document in (costs, (tmp_path / "out/local/costs.html").read_text()):
        assert "cccccccccc+changes" in document
        assert "dddddddddd+" not in document
    declare("refuse", "[1]")
    render_report(resolve(load_study("params.yaml")), tmp_path / "out")
    assert "different environments" not in (tmp_path / "out/report.md").read_text()


def test_a_comparison_of_two_studies_says_what_they_were_computed_with(capsys: pytest.CaptureFixture[str]):
    for spec in runs():
        leave(spec, **OLD)
    text = Path("params.yaml").read_text().replace("study: small", "study: other")
    Path("other.yaml").write_text(text)
    for spec in resolve(load_study("other.yaml")).runs:
        leave(spec, study="other")
    assert main(["compare", "params.yaml", "other.yaml"]) == 0
    digest = environment.code_sha256()[:10]
    told = f"4 (params.yaml): m2pt's source code 1111111111; 4 (other.yaml): m2pt's source code {digest}."
    assert told in capsys.readouterr().out

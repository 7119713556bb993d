import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats

from m2pt.analysis.numbers.statistics import estimate
from m2pt.config import ImageInput, ModelConfig, UserError
from m2pt.config.study_file import load_study
from m2pt.files import documents
from m2pt.models.model import Model
from m2pt.runs.folder import EXECUTION, FAILURE, RECORD, create_run
from m2pt.runs.record import FinetuneRecord, read_record, write_record
from m2pt.runs.spec import RunSpec
from m2pt.weights.saved import save_weights
from pipelines.__main__ import COMMANDS, WITHOUT_STUDY, build_parser, main
from pipelines.commands.compare import welch
from pipelines.execution import process_environment as environment
from pipelines.execution.progress import Display
from pipelines.execution.session import Outcome, Session
from pipelines.planning.folders import runs_folder, study_lock
from pipelines.planning.plan import resolve
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.study import tracker_of
from pipelines.tracking.tracker import SweepEnd
from tests.run_records import finetune_document

STUDY = """
study: small
data: {root: build/small, embedded: {pretrain: 20, train: 20, val: 20, test: 20}}
encoders: {}
finetune: {samples: 20}
sweep: {seeds: [0, 1], targets: [image], auxiliaries: [], methods: [baseline, random_auxiliary], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(STUDY)
    return tmp_path


def with_data(project: Path) -> list[RunSpec]:
    """Give the study some data; returns its runs."""
    (project / "build/small/image").mkdir(parents=True)
    (project / "build/small/image/one.txt").write_text("1")
    return list(resolve(load_study("params.yaml")).runs)


def complete(spec: RunSpec, seconds: float) -> Path:
    run_dir = create_run(Path("runs/small"), spec)
    documents.write_json(
        run_dir / EXECUTION, {"attempts": [{"started": "2026-11-21T11:00:00+00:00", "seconds": {"total": seconds}}]}
    )
    documents.write_json(run_dir / RECORD, finetune_document(run_dir.name))
    return run_dir


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if ".m2pt" not in path.parts}


BAD = {
    "unknown key": (STUDY + "finetun: {epochs: 3}\n", "finetun: unknown key"),
    "wrong type": (STUDY.replace("samples: 20", "samples: 20, epochs: many"), "finetune.epochs"),
    "impossible value": (STUDY.replace("samples: 20", "samples: 20, epochs: 0"), "finetune.epochs"),
    "unknown modality": (STUDY.replace("targets: [image]", "targets: [smell]"), "sweep.targets"),
    "unknown encoder": (STUDY.replace("target_encoder: random", "target_encoder: mae"), "sweep.target_encoder"),
    "no YAML": ("a: [1,", "params.yaml:1: is not valid YAML"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("command", ["plan", "sweep"])
@pytest.mark.parametrize("case", BAD)
def test_bad_study_is_one_sentence(project: Path, capsys: pytest.CaptureFixture[str], case: str, command: str):
    text, expected = BAD[case]
    Path("params.yaml").write_text(text)
    assert main([command]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert re.match(r"m2pt: params\.yaml:(\d+:)? ", captured.err)
    assert expected in captured.err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("serve", "ui", *WITHOUT_STUDY)])
def test_missing_study_file_is_one_sentence(project: Path, capsys: pytest.CaptureFixture[str], command: str):
    assert main([command, "--study", "nowhere.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("m2pt: nowhere.yaml: cannot be read")
    assert len(captured.err.splitlines()) == 1


def test_as_a_process_there_is_no_traceback(project: Path):
    Path("params.yaml").write_text(BAD["wrong type"][0])
    done = subprocess.run([sys.executable, "-m", "pipelines", "study"], capture_output=True, text=True, cwd=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "finetune.epochs" in done.stderr


def test_help_names_every_command_and_loads_nothing_heavy(project: Path):
    code = "import sys; from pipelines.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'prefect', 'mlflow', 'dvc') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"    {name}" in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in WITHOUT_STUDY])
def test_every_command_takes_a_study_and_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    assert "--study FILE" in capsys.readouterr().out


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]):
    for arguments in (["fly"], [], ["serve"], ["plan", "--jsn"]):
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args(arguments)
        assert ended.value.code == 2


def test_plan_without_data_says_what_waits(project: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["data"] == {"root": "build/small", "missing": {"data of image": "build/small/image"}}
    assert [entry["state"] for entry in document["runs"]] == ["waiting"] * 4
    assert main(["sweep"]) == 2
    assert "build/small/image" in capsys.readouterr().err


def test_plan_knows_what_is_done_and_estimates_the_rest(project: Path, capsys: pytest.CaptureFixture[str]):
    runs = with_data(project)
    assert main(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimated_seconds"] is None
    for spec in runs:
        if spec.seed == 0:
            complete(spec, seconds=10.0 if spec.method == "baseline" else 30.0)
    assert main(["plan", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [entry["state"] for entry in document["runs"]] == ["complete", "complete", "missing", "missing"]
    assert document["estimated_seconds"] == pytest.approx(40.0 / len(document["slots"]))
    assert main(["plan"]) == 0
    text = capsys.readouterr().out
    assert "2 complete, 2 missing" in text
    assert runs[-1].name in text
    assert runs[0].name not in text


def test_plan_and_status_touch_nothing(project: Path):
    with_data(project)
    before = tree(project)
    assert main(["plan"]) == 0
    assert main(["status"]) == 0
    assert tree(project) == before


def test_status_names_failed_runs_with_their_sentence(project: Path, capsys: pytest.CaptureFixture[str]):
    runs = with_data(project)
    run_dir = create_run(Path("runs/small"), runs[1])
    documents.write_json(run_dir / FAILURE, {"error": "the moon was in the way.", "details": "", "kind": "error"})
    assert main(["status"]) == 1
    out = capsys.readouterr().out
    assert f"{run_dir.name}: the moon was in the way." in out
    assert "3 missing, 1 failed" in out


def test_equal_failures_are_told_once_with_their_number(project: Path, capsys: pytest.CaptureFixture[str]):
    runs = with_data(project)
    run_dirs = [create_run(Path("runs/small"), spec) for spec in runs]
    for spec, run_dir, error in zip(
        runs, run_dirs, ("the moon was in the way.", "{}: no space.", "{}: no space.", "{}: no space."), strict=True
    ):
        own = run_dir.name if spec.seed else spec.name
        documents.write_json(run_dir / FAILURE, {"error": error.format(own), "details": "", "kind": "error"})
    assert main(["status"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"  {run_dirs[0].name}: the moon was in the way." in lines
    at = lines.index("  3 runs failed: no space.")
    assert lines[at + 1 : at + 4] == [f"    {run_dir.name}" for run_dir in run_dirs[1:]]
    failed = {spec.name: error for spec, error in zip(runs, ("a.", "b.", "b.", "b."), strict=True)}
    assert Outcome("fine-tuning", 4, 0, failed=failed).failures() == ["3 runs failed: b."]


def test_sweep_with_nothing_to_run_says_so_at_once(project: Path, capsys: pytest.CaptureFixture[str]):
    for spec in with_data(project):
        complete(spec, 1.0)
    before = tree(project / "runs/small")
    assert main(["sweep"]) == 0
    assert "4 of 4 fine-tuning runs are complete; nothing to run" in capsys.readouterr().out
    assert tree(project / "runs/small") == before
    assert not (project / ".prefect").exists()


def test_runs_that_are_no_longer_declared_are_put_aside_and_come_back(project: Path):
    run_dirs = [complete(spec, 1.0) for spec in with_data(project)]
    Path("params.yaml").write_text(STUDY.replace("[0, 1]", "[1]"))
    assert main(["sweep"]) == 0
    assert sorted(path.name for path in Path("runs/small").iterdir()) == sorted(path.name for path in run_dirs[2:])
    assert (Path("runs/.aside/small") / run_dirs[0].name / RECORD).is_file()
    Path("params.yaml").write_text(STUDY)
    assert main(["sweep"]) == 0
    assert all((run_dir / RECORD).is_file() for run_dir in run_dirs)


def test_a_second_sweep_of_a_study_is_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    with study_lock(runs_folder(load_study("params.yaml"))):
        assert main(["sweep"]) == 2
    assert "is already running" in capsys.readouterr().err


@pytest.mark.patient
def test_a_report_made_while_the_study_runs_leaves_its_sweep_in_mlflow_alone(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    study = load_study("params.yaml")
    with study_lock(runs_folder(study)), Publisher(tracker_of(resolve(study))) as running:
        assert main(["publish"]) == 2
        assert "is already running" in capsys.readouterr().err
        # In a process of its own: Prefect, once imported, keeps to the server that was named then, or starts one.
        done = subprocess.run([sys.executable, "-m", "pipelines", "report"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "publishes the study later" in done.stdout + done.stderr
        running.close(SweepEnd(values={"runs/complete": 0.0}))  # its sweep still stands, and is still open
    assert main(["publish"]) == 0


def test_data_of_other_sizes_count_as_missing(project: Path):
    with_data(project)
    study = load_study("params.yaml")
    assert study.data.embedded is not None
    sizes = study.data.embedded.model_dump(mode="json")
    documents.write_json(Path("build/small/embedded.json"), {"image": {"version": 1, "sizes": sizes}})
    assert resolve(study).missing_data == ()
    documents.write_json(Path("build/small/embedded.json"), {"image": {"version": 1, "sizes": sizes | {"train": 19}}})
    assert resolve(study).missing_data == ("image",)


def test_data_never_replace_what_was_not_made_here(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    before = tree(project / "build/small")
    assert main(["data"]) == 2
    assert "build/small: was not made by m2pt" in capsys.readouterr().err
    assert tree(project / "build/small") == before


def test_missing_weights_file_is_named(project: Path, capsys: pytest.CaptureFixture[str]):
    text = STUDY.replace("encoders: {}", "encoders: {mine: {kind: file, paths: {image: no.safetensors}}}")
    Path("params.yaml").write_text(text.replace("auxiliary_encoder: random", "auxiliary_encoder: mine").replace(
        "random_auxiliary", "own_apart"))  # fmt: skip
    (project / "build/small/image").mkdir(parents=True)
    (project / "build/small/image/one.txt").write_text("1")
    assert main(["plan"]) == 0
    assert "missing   encoders.mine.paths.image: no.safetensors" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"encoders\.mine\.paths\.image \(no\.safetensors\); fetch them, or correct the paths"):
        Session(load_study("params.yaml"), Display()).require_data()
    shutil.rmtree("build/small")
    session = Session(load_study("params.yaml"), Display())
    with pytest.raises(UserError, match="these files of weights do not exist"):
        session.make_data()
    session.stop()
    said = capsys.readouterr()
    assert said.out + said.err == "", "there are no runs that could be ended"
    assert not Path("build/small").exists(), "no data were made for a study that cannot go on"


def test_weights_inspect_says_what_a_file_is(project: Path, capsys: pytest.CaptureFixture[str]):
    save_weights(project / "mine.safetensors", Model("image", ImageInput(), ModelConfig(width=24, depth=2, heads=2), 3))
    assert main(["weights", "inspect", "mine.safetensors", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["depth"]) == (24, 2)
    (project / "mine.safetensors").write_bytes(b"nothing")
    assert main(["weights", "inspect", "mine.safetensors"]) == 2
    assert "mine.safetensors" in capsys.readouterr().err


def test_an_unexpected_error_leaves_a_sentence_and_a_log(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipelines.commands.plan.resolve", lambda *_, **__: 1 // 0)
    assert main(["plan"]) == 3
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "unexpected ZeroDivisionError" in captured.err
    (log,) = (project / ".m2pt/logs").glob("error-*.txt")
    assert str(log.relative_to(project)) in captured.err
    assert "Traceback" in log.read_text()


def test_a_reader_that_leaves_is_no_error(project: Path):
    command = f"'{sys.executable}' -m pipelines plan --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=project)
    assert done.stderr == ""
    assert done.returncode in (0, 141)
    assert not list((project / ".m2pt").rglob("error-*"))


def test_interrupted_ends_with_130(project: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.commands.plan.resolve", interrupt)
    assert main(["plan"]) == 130


def test_everything_stays_in_the_project_and_nothing_phones_home(project: Path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "DVC", "MPL"))}
    start = "from pipelines.execution.process_environment import prepare; prepare()"
    code = f"{start}; import os, json; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables, cwd=project)
    found = json.loads(done.stdout)
    for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR", "MPLCONFIGDIR"):
        assert Path(found[name]).is_relative_to(project.resolve())
    assert found["DO_NOT_TRACK"] == "true"
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    kept = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables | {"PREFECT_HOME": "/mine"}
    )
    assert json.loads(kept.stdout)["PREFECT_HOME"] == "/mine"


def test_the_databases_and_caches_of_a_folder_of_any_name_lie_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As SQLite reads the address of Prefect's database, and as DVC's cache reads a path."""
    for name in ("PREFECT_HOME", "PREFECT_SERVER_DATABASE_CONNECTION_URL", "DVC_SITE_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "a #b%25 100% 'q' $HOME ?x=1" / ".prefect"
    home.mkdir(parents=True)
    monkeypatch.chdir(home.parent)
    environment.prepare()
    assert os.environ["PREFECT_HOME"] == str(home)
    address = os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"].removeprefix("sqlite+aiosqlite:///")
    with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
        database.execute("CREATE TABLE made (here TEXT)")
    assert [path.name for path in home.iterdir()] == ["prefect.db"]
    cache = Path(os.path.expandvars(os.environ["DVC_SITE_CACHE_DIR"]))
    assert cache.absolute() == home.parent / ".m2pt/dvc"


def test_a_folder_that_dvc_cannot_work_in_is_named(project: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    (project / "{a}").mkdir()
    monkeypatch.chdir(project / "{a}")
    Path("params.yaml").write_text(STUDY)
    Path("dvc.yaml").write_text("stages: {}")
    assert main(["study"]) == 2
    assert "{a}: DVC takes no braces in a path; rename the folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "study"])
def test_keys_that_dvc_compares_must_be_written(project: Path, capsys: pytest.CaptureFixture[str], command: str):
    Path("dvc.yaml").write_text((Path(__file__).parents[3] / "dvc.yaml").read_text())
    Path("params.yaml").write_text(f"{STUDY}\nparts: []\n")
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("m2pt: params.yaml: DVC compares keys as they are written, but some are left out; add inputs: {}; ")
    assert "; tasks: {}; " in said and "; sweep.encoder_seeds: paired" in said
    assert "parts" not in said and "sweep.methods" not in said and len(said.splitlines()) == 1


def test_the_smoke_study_is_well_formed():
    path = Path(__file__).parents[3] / "studies/smoke.yaml"
    assert load_study(path).study == "smoke"


def finished(file: str, folder: str, gain: float, spread: float = 0.1) -> None:
    """Runs of two methods with scores, the second `gain` points higher but for a little noise."""
    plan = resolve(load_study(file))
    for spec in plan.runs:
        noise = spread * spec.seed * (1 if spec.method == "baseline" else -1)
        score = 60.0 + noise + (gain if spec.method != "baseline" else 0.0)
        run_dir = create_run(Path("runs") / folder, spec)
        documents.write_json(run_dir / RECORD, finetune_document(run_dir.name, val_score=score, test_score=score))


def test_two_studies_are_compared_cell_by_cell(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    Path("other.yaml").write_text(STUDY.replace("study: small", "study: other").replace("samples: 20", "samples: 20, epochs: 3"))
    finished("params.yaml", "small", 1.0)
    finished("other.yaml", "other", 3.0, spread=0.3)
    assert main(["compare", "params.yaml", "other.yaml"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("Settings that differ: finetune.epochs ") and output.split("\n")[0].endswith(" → 3.")
    line = next(line for line in output.splitlines() if "random" in line and "image" in line)
    # Gains of the two seeds: 1.0 and 0.8, 3.0 and 2.4; by seed they are 2.0 and 1.6 apart.
    assert "+0.90 ± 1.27 (n=2)" in line
    assert "+2.70 ± 3.81 (n=2)" in line
    assert "+1.80 ± 2.54  " in line and line.rstrip().endswith("0.070")
    assert "all differences are one family" in output and "*" not in line
    for folder, digests in (("small", "aa"), ("other", "ab")):  # of the same samples, and not
        for run_dir, digest in zip(sorted(Path("runs", folder).iterdir()), digests * 2, strict=True):
            write_record(run_dir, read_record(run_dir, FinetuneRecord).model_copy(update={"samples_sha256": digest}))
    assert main(["compare", "params.yaml", "params.yaml"]) == 0
    output = capsys.readouterr().out
    assert "different samples" not in output and "Settings that differ: none." in output
    lines = [line for line in output.splitlines() if "image" in line]
    assert lines and all("the same runs" in line and line.rstrip().endswith("–") for line in lines)
    assert "all differences are one family" not in output and "share are no evidence" in output
    assert main(["compare", "params.yaml", "other.yaml"]) == 0
    assert "+1.80 ± 2.54 (different samples)" in capsys.readouterr().out


def test_studies_without_common_seeds_are_independent_samples():
    first, second = estimate([1.0, 1.5, 0.7]), estimate([2.0, 2.9, 2.2, 3.1])
    expected = stats.ttest_ind([2.0, 2.9, 2.2, 3.1], [1.0, 1.5, 0.7], equal_var=False)
    interval = expected.confidence_interval()
    half_width, p = welch(first, second)
    assert half_width == pytest.approx((interval.high - interval.low) / 2)
    assert p == pytest.approx(expected.pvalue)


def test_the_differences_of_two_studies_are_one_family(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    seeds = STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2, 3]")
    Path("params.yaml").write_text(seeds)
    Path("other.yaml").write_text(seeds.replace("study: small", "study: other").replace("samples: 20", "samples: 20, epochs: 3"))
    finished("params.yaml", "small", 1.0)
    finished("other.yaml", "other", 3.0, spread=0.3)
    assert main(["compare", "params.yaml", "other.yaml"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "random" in line and "image" in line]
    # By seed the gains are 2.0, 1.6, 1.2 and 0.8 apart: one comparison, so its p-value stays as it is.
    p = stats.ttest_1samp([2.0, 1.6, 1.2, 0.8], 0).pvalue
    assert p < 0.05 and "*" in line and line.rstrip().endswith(f"{p:.3f}")


def test_runs_that_one_side_lacks_stand_beside_the_gains_that_are_compared(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    seeds = STUDY.replace("seeds: [0, 1]", f"seeds: {list(range(8))}")
    Path("params.yaml").write_text(seeds)
    Path("other.yaml").write_text(seeds.replace("study: small", "study: other").replace("samples: 20", "samples: 20, epochs: 3"))
    finished("params.yaml", "small", 1.0)
    finished("other.yaml", "other", 3.0, spread=0.15)
    lost = sorted(path for path in Path("runs/other").iterdir() if "random_auxiliary" in path.name)

    def line() -> tuple[str, str]:
        assert main(["compare", "params.yaml", "other.yaml"]) == 0
        output = capsys.readouterr().out
        return next(line for line in output.splitlines() if "random" in line and "image" in line), output

    assert "missing runs" not in line()[0] and "*" in line()[0]
    (lost[7] / RECORD).unlink()
    shown, output = line()
    assert "(n=7; missing runs: 1 of 8 against 0 of 8)" in shown
    assert "(second: missing runs: 1 of 8 against 0 of 8; second against first: missing runs: 1 of 16 against 0 of 16)" in shown
    assert "*" in shown and "are not tested" not in output
    for run_dir in lost[3:7]:
        (run_dir / RECORD).unlink()
    shown, output = line()
    assert "*" not in shown and shown.rstrip().endswith("–")
    assert "the difference is not tested: those runs could have made it" in output


def test_seeds_needed_are_said_with_the_warning_that_belongs_to_them(project: Path, capsys: pytest.CaptureFixture[str]):
    with_data(project)
    assert main(["plan", "--seeds-needed"]) == 0
    output = capsys.readouterr().out
    assert "Choose the number once" in output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("pln", "m2pt: COMMAND: there is no 'pln'; did you mean plan?"),
        ("", "m2pt: something is missing: COMMAND; see m2pt --help."),
        ("plan --jsn", "m2pt plan: --jsn: is not known here; did you mean --json?"),
        ("plan extra", "m2pt plan: extra: is not known here; see m2pt plan --help."),
        ("plan --study", "m2pt plan: --study: needs a value; see m2pt plan --help."),
        ("gc --only rns", "m2pt gc: --only: there is no 'rns'; did you mean runs?"),
        ("gc --only §", "m2pt gc: --only: there is no '§'; use one of runs, checkpoints, cache, slurm, mlflow, prefect."),
        ("serve", "m2pt serve: one of these options is missing: --cron --every; see m2pt serve --help."),
        ("serve --every x", "m2pt serve: --every: 'x' is not a number; see m2pt serve --help."),
        ("serve --cron x --every 3", "m2pt serve: --every: cannot be given together with --cron; see m2pt serve --help."),
        ("ui --port x", "m2pt ui: --port: 'x' is not a whole number; see m2pt ui --help."),
        ("compare a", "m2pt compare: something is missing: SECOND; see m2pt compare --help."),
    ],
)
def test_words_that_no_command_knows_are_one_sentence(capsys: pytest.CaptureFixture[str], words: str, sentence: str):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out, captured.err) == (2, "", f"{sentence}\n")


def test_the_help_of_every_command_is_whole_sentences(capsys: pytest.CaptureFixture[str]):
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        description = capsys.readouterr().out.split("\n\n")[1]
        assert description[0].isupper() and description.endswith("."), description

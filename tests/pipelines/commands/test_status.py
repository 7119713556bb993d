"""`m2pt status`: what goes on, where, since when and until when, as text, as JSON, and drawn again and again."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m2pt.files.leases import leased
from m2pt.runs.attempts import Attempt, add_attempt, begin_attempt
from m2pt.runs.folder import ATTEMPT, HISTORY, LOCK, create_run
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.runs.spec import RunSpec
from pipelines.__main__ import main
from pipelines.planning.folders import study_lock
from tests.pipelines.commands.test_cli import STUDY, complete, with_data
from tests.pipelines.terminal import Terminal

ROOT = Path(__file__).parents[3]
EPOCHS = 8


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(STUDY.replace("samples: 20}\nsweep", f"samples: 20, epochs: {EPOCHS}}}\nsweep"))
    return tmp_path


@pytest.fixture
def going(project: Path) -> Iterator[list[RunSpec]]:
    """The runs of a study: one complete in 100 s, one of its kind that began 30 s ago, and another one with 2 of 8 epochs."""
    runs = sorted(with_data(project), key=lambda spec: spec.name)
    first, second, third = runs[0], runs[1], runs[2]
    assert first.method == second.method != third.method
    complete(first, 100.0)
    with ExitStack() as stack:
        stack.enter_context(study_lock(Path("runs/small")))
        for spec, slot, seconds, epochs in ((second, "cuda3", 30, 1), (third, "", 40, 2)):
            run_dir = create_run(Path("runs/small"), spec)
            stack.enter_context(leased(run_dir / LOCK))
            write_inputs(run_dir, JobInputs(data="data", cache="cache", slot=slot))
            begun = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
            begin_attempt(run_dir, Attempt(started=begun, device="cuda", device_name="H100", devices=2))
            (run_dir / HISTORY).write_text('{"step": 1}\n' * epochs)
        yield runs


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["status", "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_what_goes_on_is_told_with_its_place_its_times_and_an_estimate_of_its_end(
    going: list[RunSpec], capsys: pytest.CaptureFixture[str]
):
    document = shown(capsys)
    assert document["states"] == {"complete": 1, "failed": 0, "interrupted": 0, "missing": 1, "running": 2, "waiting": 0}
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    assert document["doer"] == here and document["device_hours"] is None
    first, second = sorted(document["running"], key=lambda run: str(run["name"]))
    for run, spec, slot, seconds, progress, left in (
        (first, going[1], "cuda3", 30, 1 / 8, 70),
        (second, going[2], None, 40, 2 / 8, 120),
    ):
        assert run["name"] == spec.name and run["run_id"].startswith(spec.name) and run["kind"] == "fine-tuning"
        assert {key: run[key] for key in here} == here
        assert (run["slot"], run["device"], run["devices"], run["progress"]) == (slot, "H100", 2, progress)
        assert run["seconds"] == pytest.approx(seconds, abs=10)
        # By the complete run of the same method; without one, two of eight epochs took 40 s, so the other six take 120 s.
        assert run["seconds_left"] == pytest.approx(left, abs=30 if slot is None else 10)
        since, until = datetime.fromisoformat(run["since"]), datetime.fromisoformat(run["until"])
        assert (until - since).total_seconds() == pytest.approx(run["seconds"] + run["seconds_left"], abs=5)
    # 70 and 120 s, and a run that takes as long as the complete one, two at once.
    assert document["seconds_left"] == pytest.approx((70 + 120 + 100) / 2, abs=25)

    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "small: 4 (2 running, 1 complete, 1 missing)"
    assert re.fullmatch(rf"  done by `.*m2pt` \(pid {os.getpid()} on \S+\), about 2 min left; `.*m2pt stop` ends it", lines[1])
    assert lines[2].split("  ")[1] == "run" and lines[2].endswith("until about")
    assert re.fullmatch(rf"  {going[2].name} +\S+ H100 +\d\d:\d\d +0:\d\d +25% +\d\d:\d\d", lines[3])
    assert re.fullmatch(rf"  {going[1].name} +\S+ cuda3 +\d\d:\d\d +\d:\d\d +12% +\d\d:\d\d", lines[4])


def test_runs_that_go_on_by_the_study_file_as_it_was_are_named(going: list[RunSpec], capsys: pytest.CaptureFixture[str]):
    study = Path("params.yaml")
    study.write_text(study.read_text().replace(f"epochs: {EPOCHS}", f"epochs: {EPOCHS + 1}"))
    document = shown(capsys)
    assert document["running"] == []
    named = sorted(document["undeclared"], key=lambda run: str(run["run_id"]))
    assert [run["run_id"].rpartition("-")[0] for run in named] == [going[1].name, going[2].name]
    assert {run["pid"] for run in named} == {os.getpid()}
    assert main(["status"]) == 0
    assert "2 runs go on that the study file, as it is now, does not declare: " in capsys.readouterr().out


def test_the_time_of_earlier_attempts_is_not_waited_for_again(going: list[RunSpec], capsys: pytest.CaptureFixture[str]):
    (run_dir,) = Path("runs/small").glob(f"{going[1].name}-*")
    add_attempt(run_dir, Attempt(started="2026-01-01T00:00:00+00:00", seconds={"total": 50.0}))
    assert shown(capsys)["running"][1]["seconds_left"] == pytest.approx(100 - 50 - 30, abs=10)


def test_a_run_that_only_begins_has_no_times(going: list[RunSpec], capsys: pytest.CaptureFixture[str]):
    (run_dir,) = Path("runs/small").glob(f"{going[2].name}-*")
    (run_dir / ATTEMPT).unlink()
    (run_dir / HISTORY).unlink()
    run = shown(capsys)["running"][0]
    assert (run["since"], run["seconds"], run["progress"]) == (None, None, 0)
    assert run["seconds_left"] == 100, "by what another method took on the same target"
    for path in Path("runs/small").glob("*/local/execution.json"):
        path.unlink()
    document = shown(capsys)
    run = document["running"][0]
    assert (run["seconds_left"], run["until"], document["seconds_left"]) == (None, None, None)
    assert main(["status"]) == 0
    assert re.search(rf"{going[2].name} .* starts +0% +\?\n", capsys.readouterr().out)


def test_a_budget_is_told_with_what_is_used_of_it(going: list[RunSpec], capsys: pytest.CaptureFixture[str]):
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "execution: {max_device_hours: 0.5}\n")
    told = shown(capsys)["device_hours"]
    assert told["limit"] == 0.5
    assert told["used"] == pytest.approx((100 + 2 * 30 + 2 * 40) / 3600, abs=0.01)
    assert main(["status"]) == 0
    assert " of 0.5 device-hours are used\n" in capsys.readouterr().out


def test_every_key_is_documented_and_no_other(going: list[RunSpec], capsys: pytest.CaptureFixture[str]):
    tables = (ROOT / "docs/how-to/operate.md").read_text().split("| key")[1:]
    documented = [
        [key for row in re.findall(r"(?m)^\| (`[^|]+) \|", table) for key in re.findall("`([a-z_]+)`", row)] for table in tables
    ]
    document = shown(capsys)
    assert list(document) == documented[0]
    assert list(document["running"][0]) == documented[1]


def test_a_watch_needs_a_terminal(project: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["status", "--watch"]) == 2
    assert capsys.readouterr().err.startswith(
        "m2pt: --watch: needs a terminal that can be drawn again; for a file or a program, "
    )
    with pytest.raises(SystemExit):
        main(["status", "--watch", "--json"])
    assert "--json: cannot be given together with --watch" in capsys.readouterr().err


@pytest.mark.patient
def test_a_watch_draws_over_itself_until_ctrl_c_and_follows_what_happens(going: list[RunSpec]):
    command = [sys.executable, "-m", "pipelines", "status", "--watch"]
    terminal = Terminal(command, columns=70, lines=9, env={"PYTHONPATH": str(ROOT)})
    shown = terminal.until(lambda screen: "2 running" in screen.shown, 120).shown
    assert terminal.screen.hidden
    assert re.search(r"\n  run +where +since +passed +done +until about\n", shown)
    assert re.search(r"\n  image-from-\S*…-s0 .* \d\d:\d\d\n  image-bas\S*…-s1 .* \d\d:\d\d\n", shown)
    complete(going[3], 1.0)
    shown = terminal.until(lambda screen: "2 complete" in screen.shown).shown
    assert "Ctrl-C ends the watch alone" in shown
    terminal.press(b"\x03")
    assert terminal.end() == 0
    assert terminal.screen.history == [], "it is drawn over itself"
    assert not terminal.screen.hidden and "interrupted" not in terminal.screen.text


@pytest.mark.patient
def test_it_loads_neither_prefect_nor_mlflow(project: Path):
    with_data(project)
    code = "import sys; from pipelines.__main__ import main; print(main(['status', '--json'])); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert "\n0\n" in done.stdout
    assert not re.search(r"'(prefect|mlflow)\b", done.stdout), done.stdout

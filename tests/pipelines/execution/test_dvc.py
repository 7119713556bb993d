"""DVC's own client, as `m2pt study` runs it: what a person sees of it and of its stages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.execution import dvc
from pipelines.execution import process_environment as environment
from pipelines.execution.progress import Display
from tests.pipelines.terminal import Terminal

ROOT = Path(__file__).parents[3]

STAGE = """
import sys
from pipelines.execution.display.pace import Mean, Pace
from pipelines.execution.progress import Display
print("an open line", end="")
with Display() as display:
    display.prepare("runs", "loading the libraries")
    display.begin("runs", 2, 0, "tiny: runs", Pace({"a": ("full",), "b": ("full",)}, {"full": Mean(1, 100.0)}))
    print("what a library prints")
    display.started("a")
    display.ended("a", "val 83.0 %", 12.0, failed=False)
    display.say("a line of the stage")
print("a sentence of the stage.", file=sys.stderr)
"""

PIPELINE = """
stages:
  works: {cmd: python stage.py, deps: [stage.py]}
  fails: {cmd: "python -c 'import sys; sys.exit(\\"m2pt: the moon was in the way.\\")'", deps: [FAILS]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pipeline of DVC."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".m2pt/dvc"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "true")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "FAILS").touch()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    return tmp_path


def test_stages_tell_what_they_do_and_of_dvc_only_errors_are_shown(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not dvc.is_up_to_date()
    with Display() as display:
        assert dvc.repro(display, {}) != 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    told = ["tiny: runs: 2 of 2 to do, about 3 min.", "[1/2] a: val 83.0 % (12.0 s)", "a line of the stage"]
    assert [line for line in lines if line in told] == told
    rest = [line for line in lines if line not in told]
    assert rest[:2] == ["a sentence of the stage.", "m2pt: the moon was in the way."]
    assert len(rest) == 3
    assert rest[2].startswith("ERROR: failed to reproduce 'fails'")
    log = dvc.LOG.read_text()
    for line in ("an open line", "what a library prints", "Running stage 'works':", *rest):
        assert line in log.splitlines()
    assert "Use `dvc push`" not in out


def test_stages_that_are_done_are_up_to_date(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "dvc.yaml").write_text(PIPELINE.split("  fails")[0])
    with Display() as display:
        assert dvc.repro(display, {}) == 0
    assert "dvc push" in dvc.LOG.read_text()  # what is not passed on, for there is no remote storage
    assert "dvc" not in capfd.readouterr().out
    assert dvc.is_up_to_date()


def test_an_interrupt_ends_dvc_and_its_stage(project: Path) -> None:
    (project / "stage.py").write_text(f"{STAGE}import pathlib, time\npathlib.Path('slow').touch()\ntime.sleep(60)\n")
    program = "from pipelines.execution import dvc, interrupts\nfrom pipelines.execution.progress import Display\nimport sys\n"
    program += "interrupts.heard()\ntry:\n    with Display() as display: dvc.repro(display, {})\n"
    program += "except KeyboardInterrupt: sys.exit(130)\n"
    terminal = Terminal([sys.executable, "-c", program], cwd=project, env=dict(os.environ))
    terminal.until(lambda _: (project / "slow").exists())
    terminal.press(b"\x03")
    assert terminal.end() == 130
    text = terminal.screen.text
    assert "Traceback" not in text
    assert "ERROR" not in text
    assert text.rstrip().endswith("stopped")
    assert not terminal.screen.hidden


STUDY = """
study: tiny
data: {root: build/data, embedded: {pretrain: 20, train: 20, val: 20, test: 20}}
encoders: {}
finetune: {samples: 20}
sweep: {seeds: [0, 1], targets: [image], auxiliaries: [], methods: [baseline], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
"""
STAGES = """
stages:
  data: {cmd: python -m pipelines data --out build/data, outs: [build/data]}
"""


@pytest.mark.patient
def test_the_default_study_in_a_terminal(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (project / "params.yaml").write_text(STUDY)
    (project / "dvc.yaml").write_text(STAGES)
    home = tmp_path_factory.getbasetemp() / "prefect-home"  # making its database takes many seconds
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    terminal = Terminal([sys.executable, "-m", "pipelines", "study"], cwd=project, env=kept | {"PREFECT_HOME": str(home)})
    terminal.until(lambda screen: "making image" in screen.shown, 200)
    assert terminal.end(200) == 0
    lines = terminal.screen.text.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("✓")] == ["set", "data", "report"]
    assert [line for line in lines if "━" in line and "4/4" in line and line.startswith("✓ data")]
    end = lines.index("tiny: the report is reports/index.html")
    assert lines[end - 1].startswith("tiny: No run is complete yet")
    assert lines[end + 1 :][0].startswith("Next: open it in a browser.")
    assert not any(word in terminal.screen.text for word in ("Running stage", "dvc push", "git add", "didn't change", "ERROR"))
    assert "Running stage 'data':" in (project / environment.LOGS / "dvc.log").read_text()

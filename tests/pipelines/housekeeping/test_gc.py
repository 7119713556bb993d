"""`m2pt gc`: it lists before it deletes, and touches nothing that a record needs, that is going on, or that is not ours."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from m2pt.config import EmbeddedData, InputsConfig
from m2pt.config.study_file import load_study
from m2pt.data.decoded import load
from m2pt.data.embedded import write_embedded
from m2pt.data.fingerprints import fingerprint
from m2pt.files.leases import leased
from m2pt.runs.folder import CHECKPOINT, LOCK, RECORD, RunState
from m2pt.runs.table import read_table
from pipelines.__main__ import main
from pipelines.execution.slurm.queue import folder_of, note
from pipelines.planning.folders import study_lock
from pipelines.planning.plan import resolve
from tests.pipelines.housekeeping.conftest import complete_all, declare, tidy, tree

ROOT = Path(__file__).parents[3]
ASIDE = Path("runs/.aside/small")


def narrowed() -> tuple[list[Path], list[Path]]:
    """The study without its last two seeds: the runs that stay, and those that went aside."""
    declare([0])
    tidy()
    return sorted(Path("runs/small").iterdir()), sorted(ASIDE.iterdir())


def size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def freed(printed: str, name: object) -> str:
    """The size that is listed for a name."""
    (line,) = [line for line in printed.splitlines() if f"  {name} " in f"{line} "]
    return line.split(f"  {name}")[0].strip()


def test_without_delete_everything_is_listed_with_its_size_and_nothing_changes(project: Path, capsys: pytest.CaptureFixture[str]):
    _, aside = narrowed()
    before = tree()
    capsys.readouterr()
    assert main(["gc"]) == 0
    printed = capsys.readouterr().out
    for run_dir in aside:
        assert freed(printed, run_dir) == f"{size(run_dir) / 1000:.1f} kB"
        assert f"{run_dir} (complete)" in printed
    total = sum(map(size, aside)) / 1000
    assert printed.endswith(
        f"{total:.1f} kB can be freed. Nothing was deleted: `m2pt gc --delete` deletes what is listed above.\n"
    )
    assert tree() == before


def test_delete_removes_what_was_put_aside_and_the_study_stays_complete(project: Path, capsys: pytest.CaptureFixture[str]):
    kept, aside = narrowed()
    replaced = Path("runs/.replaced/small/again")
    shutil.copytree(aside[0], replaced)
    results = read_table(resolve(load_study("params.yaml")).compared, Path("runs/small"))
    before = {name: content for name, content in tree().items() if "/." not in name}
    capsys.readouterr()
    assert main(["gc", "--delete"]) == 0
    printed = capsys.readouterr().out
    listed = [printed.index(str(path)) for path in (*aside, replaced)]
    assert max(listed) < printed.index("freed.")
    assert list(ASIDE.iterdir()) == []
    assert not replaced.exists()
    assert not Path("runs/.removed").exists()
    assert {name: content for name, content in tree().items() if "/." not in name} == before
    plan = resolve(load_study("params.yaml"))
    assert plan.counts() == {RunState.COMPLETE: len(kept)}
    assert read_table(plan.compared, Path("runs/small")).equals(results)
    assert main(["gc"]) == 0
    assert capsys.readouterr().out == "There is nothing to delete.\n"


def test_a_run_aside_that_is_declared_again_stays(project: Path):
    _, aside = narrowed()
    declare([0, 2])  # without a start: it still lies aside
    (wanted,) = [run_dir for run_dir in aside if run_dir.name.rpartition("-")[0].endswith("s2")]
    assert main(["gc", "--delete"]) == 0
    assert list(ASIDE.iterdir()) == [wanted]
    assert resolve(load_study("params.yaml")).counts() == {RunState.COMPLETE: 2}


def test_a_run_aside_that_may_be_declared_stays_while_data_are_missing(project: Path, capsys: pytest.CaptureFixture[str]):
    narrowed()
    declare([0, 2])
    Path("data").rename("elsewhere")
    capsys.readouterr()
    assert main(["gc", "--delete"]) == 0
    assert "1 of its runs stay: they may be declared once data and encoders exist." in capsys.readouterr().out
    assert [path.name.rpartition("-")[0][-2:] for path in ASIDE.iterdir()] == ["s2"]


def test_a_run_whose_weights_the_study_reads_stays(project: Path, capsys: pytest.CaptureFixture[str]):
    _, aside = narrowed()
    file = aside[0] / "merged.safetensors"
    encoders = f"encoders: {{mine: {{kind: file, paths: {{image: {file}}}}}}}"
    study = (
        Path("params.yaml")
        .read_text()
        .replace("encoders: {}", encoders)
        .replace("target_encoder: random", "target_encoder: mine")
    )
    Path("params.yaml").write_text(study.replace("[scratch]", "[pretrained]"))
    file.unlink()  # the key alone decides
    capsys.readouterr()
    assert main(["gc", "--delete"]) == 0
    assert f"{aside[0]}: stays: the study reads its weights ({file})." in capsys.readouterr().out
    assert aside[0].is_dir()
    assert not aside[1].exists()


@pytest.mark.parametrize("lock", ["runs/small", "runs/another", "build/small"])
def test_nothing_is_deleted_while_a_study_runs(project: Path, capsys: pytest.CaptureFixture[str], lock: str):
    narrowed()
    before = tree()
    with study_lock(Path(lock)):
        capsys.readouterr()
        assert main(["gc", "--delete"]) == 2
        captured = capsys.readouterr()
        assert (
            captured.err == f"m2pt: the study in {lock} is already running (pid {os.getpid()}); wait for it to end, or stop it.\n"
        )
        assert captured.out == ""
        assert main(["gc"]) == 0  # a list may be had at any time
    assert {name for name in tree() if not name.endswith(".lease")} == {name for name in before if not name.endswith(".lease")}


def test_a_look_at_results_is_no_study_that_runs(project: Path):
    _, aside = narrowed()
    with leased(Path("runs/.looks.jsonl.lease")):
        assert main(["gc", "--delete"]) == 0
    assert not aside[0].exists()


def test_what_a_job_works_on_stays(project: Path, capsys: pytest.CaptureFixture[str]):
    kept, aside = narrowed()
    (kept[0] / CHECKPOINT).write_bytes(bytes(10))
    with leased(aside[0] / LOCK), leased(kept[0] / LOCK):
        assert main(["gc", "--delete"]) == 0
    assert f"{aside[0]}: stays: a job is working on it." in capsys.readouterr().out
    assert list(ASIDE.iterdir()) == [aside[0]]
    assert (kept[0] / CHECKPOINT).is_file()


KILLED = """
import os, sys
from pipelines.__main__ import main
left, unlink = int(sys.argv[1]), os.unlink
def dies(*arguments, **more):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    unlink(*arguments, **more)
os.unlink = dies
sys.exit(main(["gc", "--delete"]))
"""


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_kill_in_the_middle_leaves_no_half_of_a_run_and_the_next_call_does_the_rest(
    project: Path, after: int, capsys: pytest.CaptureFixture[str]
):
    kept, aside = narrowed()
    names = {run_dir.name: set(tree_of(run_dir)) for run_dir in (*kept, *aside)}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(after)], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    for run_dir in (*ASIDE.iterdir(), *Path("runs/small").iterdir()):
        assert set(tree_of(run_dir)) == names[run_dir.name]
    left = list(Path("runs/.removed").iterdir())
    assert left
    capsys.readouterr()
    assert main(["gc", "--delete"]) == 0
    assert f"{left[0]} (left by a removal that was interrupted)" in capsys.readouterr().out
    assert list(ASIDE.iterdir()) == []
    assert not Path("runs/.removed").exists()
    assert sorted(Path("runs/small").iterdir()) == kept


def tree_of(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def test_links_are_never_followed(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    _, aside = narrowed()
    outside = tmp_path / "outside"
    shutil.copytree(aside[0], outside)
    (ASIDE / "linked-0a1b2c3d").symlink_to(outside)
    (aside[1] / "to-a-file").symlink_to(outside / RECORD)
    (aside[1] / "to-a-folder").symlink_to(outside)
    Path("runs/.replaced").mkdir()
    Path("runs/.replaced/small").symlink_to(outside.parent)
    Path(".m2pt/cache").mkdir(parents=True, exist_ok=True)
    (outside / "train.safetensors").write_bytes(b"x")
    Path(".m2pt/cache/image-0123456789abcdef").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    assert main(["gc", "--delete"]) == 0
    printed = capsys.readouterr().out
    assert f"{ASIDE}/linked-0a1b2c3d: stays: it is a link." in printed
    assert "runs/.replaced/small: stays: it is a link, which is not followed." in printed
    assert sorted(ASIDE.iterdir()) == [ASIDE / "linked-0a1b2c3d"]
    assert {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def test_a_room_that_is_a_link_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    narrowed()
    Path("runs").rename(tmp_path / "a large disk")
    Path("runs").symlink_to(tmp_path / "a large disk")
    before = tree_of(tmp_path / "a large disk")
    assert main(["gc", "--delete"]) == 0
    assert ": stays: runs is a link, which is not followed." in capsys.readouterr().out
    assert tree_of(tmp_path / "a large disk") == before


def test_what_is_no_run_and_what_belongs_to_others_stays(project: Path, capsys: pytest.CaptureFixture[str]):
    _, aside = narrowed()
    (ASIDE / "notes").mkdir()
    (ASIDE / "notes/mine.txt").write_text("why I narrowed it")
    (ASIDE / "search-0123456789abcdef.json").write_text("{}")
    other = Path("runs/.aside/other study/run-0a1b2c3d")
    shutil.copytree(aside[0], other)
    if os.geteuid() == 0:
        os.chown(aside[0] / RECORD, 12345, -1)
    assert main(["gc", "--delete"]) == 0
    printed = capsys.readouterr().out
    assert f"{ASIDE}/notes: stays: it is no run." in printed
    assert re.search(r"runs/\.aside/other study: stays: \d\.\d kB of another study; name its file with --study", printed)
    stayed = {ASIDE / "notes", ASIDE / "search-0123456789abcdef.json"}
    if os.geteuid() == 0:
        assert f"{aside[0]}: stays: it belongs to another user, at least in part." in printed
        stayed |= {aside[0]}
    assert set(ASIDE.iterdir()) == stayed
    assert other.is_dir()


def test_what_another_place_holds_too_is_not_counted_as_freed(project: Path, capsys: pytest.CaptureFixture[str]):
    """As DVC's cache does, with hard links."""
    _, aside = narrowed()
    Path("cached").mkdir()
    os.link(aside[0] / "merged.safetensors", "cached/0a")
    expected = f"{(size(aside[0]) - 1000) / 1000:.1f} kB"
    capsys.readouterr()
    assert main(["gc", "--delete"]) == 0
    printed = capsys.readouterr().out
    assert "1.0 kB are shared with another place" in printed
    assert freed(printed, aside[0]) == expected
    assert Path("cached/0a").read_bytes() == bytes(1000)


def test_checkpoints_of_complete_runs_and_half_written_files_go_and_others_stay(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    first, second, third = sorted(Path("runs/small").iterdir())
    (third / RECORD).unlink()  # interrupted
    for run_dir in (first, third):
        (run_dir / CHECKPOINT).write_bytes(bytes(2000))
    (second / ".merged.safetensors.a1b2c3d4").write_bytes(bytes(300))
    (third / "local/.checkpoint.pt.a_b2c3d4").write_bytes(bytes(400))
    (second / ".mine").write_text("a note")
    assert main(["gc", "--delete", "--only", "checkpoints"]) == 0
    printed = capsys.readouterr().out
    assert freed(printed, first / CHECKPOINT) == "2.0 kB"
    assert "2.7 kB freed." in printed
    assert not (first / CHECKPOINT).exists()
    assert [path for path in Path("runs").rglob(".*.*.*")] == []
    assert (third / CHECKPOINT).stat().st_size == 2000
    assert (second / ".mine").is_file()


def test_decoded_data_are_freed_and_decoded_again(project: Path, capsys: pytest.CaptureFixture[str]):
    write_embedded(Path("data"), EmbeddedData(pretrain=10, train=20, val=10, test=10))
    folder, config = Path("data/image"), InputsConfig().image
    sha256 = fingerprint(folder)
    first = load("image", folder, "val", config, sha256)
    load("image", folder, "test", config, sha256)
    (home,) = Path(".m2pt/cache").glob("image-*")
    memory = sorted(Path(".m2pt/cache/fingerprints").iterdir())
    bytes_of_val = (home / "val.safetensors").stat().st_size
    with leased(home / ".test.lease"):  # somebody decodes it
        assert main(["gc", "--delete", "--only", "cache"]) == 0
    assert f"{bytes_of_val / 1000:.1f} kB freed." in capsys.readouterr().out
    assert [path.name for path in home.glob("*.safetensors")] == ["test.safetensors"]
    assert set(memory) <= set(Path(".m2pt/cache/fingerprints").iterdir())
    again = load("image", folder, "val", config, sha256)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, again.y)


def test_what_jobs_of_slurm_left_goes_once_none_is_in_its_queue(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    """The queue is that of a `squeue` which answers as SLURM's does."""
    squeue = Path("bin/squeue")
    squeue.parent.mkdir()
    squeue.write_text("#!/bin/sh\ncat queue\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    for study, job in (("ended", "7_0"), ("going", "8_0")):
        note(study, {job: "a-run"})
        (folder_of(study) / f"{job}_0_log.out").write_bytes(bytes(2000))
    assert main(["gc", "--delete", "--only", "slurm"]) == 0
    assert ".m2pt/slurm/ended: stays: squeue is not here" in capsys.readouterr().out
    monkeypatch.setenv("PATH", f"{squeue.parent.absolute()}:/usr/bin:/bin")
    Path("queue").write_text("8_0|RUNNING|one\n9_0|PENDING|\n")
    assert main(["gc", "--delete", "--only", "slurm"]) == 0
    assert ".m2pt/slurm/going: stays: 1 of its jobs is in SLURM's queue." in capsys.readouterr().out
    assert [path.name for path in Path(".m2pt/slurm").iterdir()] == ["going"]
    Path("queue").write_text("")
    assert main(["gc", "--delete", "--only", "slurm"]) == 0
    assert list(Path(".m2pt/slurm").iterdir()) == []


def test_status_says_what_takes_space(project: Path, capsys: pytest.CaptureFixture[str]):
    _, aside = narrowed()
    complete_all()
    before = tree()
    capsys.readouterr()
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  space: ") and line.endswith("`m2pt gc` lists what can be deleted") for line in lines)
    (line,) = [line for line in lines if "put aside" in line]
    assert line.split("  ")[-2].strip() == f"{sum(map(size, aside)) / 1000:.1f} kB"
    assert not any("other studies" in line for line in lines)  # markers and the journal of looks are no study
    assert tree() == before


def test_the_advice_names_the_same_study_and_the_same_kinds(project: Path, capsys: pytest.CaptureFixture[str]):
    narrowed()
    Path("params.yaml").rename("my study.yaml")
    capsys.readouterr()
    assert main(["gc", "--study", "my study.yaml", "--only", "runs"]) == 0
    assert "`m2pt gc --delete --only runs --study 'my study.yaml'` deletes what" in capsys.readouterr().out
    assert main(["status", "--study", "my study.yaml"]) == 0
    assert "`m2pt gc --study 'my study.yaml'` lists what" in capsys.readouterr().out

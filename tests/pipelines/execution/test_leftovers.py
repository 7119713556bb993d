"""What killed processes have left is removed by the next start, and nothing else is."""

import os
import time
from pathlib import Path

import pytest

from m2pt.files.leftovers import OLD_S, remove_old
from m2pt.runs.folder import LOCK
from pipelines.execution.leftovers import remove_leftovers
from pipelines.planning import study_file
from pipelines.planning.plan import resolve
from tests.pipelines.commands.test_cli import STUDY, complete, with_data


@pytest.mark.parametrize(
    "name", [".train.lease", "embedded.lease", "lease", "lease.break.7.0a1b", ".record.json.x_9k2mqa", ".seen-00ff00ff00ff00ff"]
)
def test_what_has_not_changed_for_an_hour_is_removed(tmp_path: Path, name: str):
    old, young = tmp_path / "old" / name, tmp_path / "young" / name
    for path in (old, young):
        path.parent.mkdir()
        path.write_text("")
    then = time.time() - 2 * OLD_S
    os.utime(old, (then, then))
    remove_old([old, young])
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"


@pytest.mark.parametrize(
    "name", ["record.json", ".gitignore", "train.safetensors", "release", "please", ".my.notes.markdown", ".plan.20261127"]
)
def test_what_is_to_stay_stays(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_text("")
    then = time.time() - 100 * OLD_S
    os.utime(path, (then, then))
    remove_old([path])
    assert path.exists()


def test_a_complete_run_keeps_no_marker_of_a_lease_that_was_being_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(STUDY)
    spec = with_data(tmp_path)[0]
    complete(spec, 1.0)
    plan = resolve(study_file.load(Path("params.yaml")))
    run_dir = plan.run_dir(spec)
    assert run_dir is not None
    markers = [run_dir / name for name in (LOCK, f"{LOCK}.break.7.0a1b", f"{LOCK}.expired.0a1b")]
    then = time.time() - 2 * OLD_S
    for path in markers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        os.utime(path, (then, then))
    young = run_dir / f"{LOCK}.break.8.0a1b"
    young.write_text("")
    remove_leftovers(plan)
    assert [path for path in (*markers, young) if path.exists()] == [young]

"""What killed processes have left is removed by the next start, and nothing else is."""

import os
import time
from pathlib import Path

import pytest

from m2pt.files.leftovers import OLD_S, remove_old


@pytest.mark.parametrize("name", [".train.lease", "embedded.lease", "lease", "lease.break.7.0a1b", ".record.json.x_9k2mqa"])
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

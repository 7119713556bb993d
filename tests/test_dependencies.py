"""What is installed is pinned, with hashes; its licences are known; the wheel has the same bytes wherever it is built."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.dependencies import dependencies_page, gpl_page, is_gpl, needed_by

ROOT = Path(__file__).parents[1]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in found if pin}


def test_the_lock_with_hashes_has_the_versions_of_the_lock_and_a_hash_for_each() -> None:
    locked, hashed = pins("requirements.lock"), pins("requirements.hashes")
    assert len(locked) > 200 and locked.items() <= hashed.items()
    entries = (ROOT / "requirements.hashes").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in entries if "==" in line)


def test_every_licence_is_known_and_the_ones_that_bind_are_named() -> None:
    rows = [row.split(" | ") for row in dependencies_page().splitlines()[2:]]
    assert len(rows) > 200 and all(len(row) == 4 and row[2].strip() for row in rows)
    named = gpl_page()
    assert {row.split(" | ")[0].strip("| ") for row in named.splitlines()[2:]} == {"av", "espeakng-loader", "grandalf", "pygit2"}
    needed = needed_by()
    assert "core" in needed["av"] and "core" not in needed["grandalf"] + needed["pygit2"] + needed["espeakng-loader"]


@pytest.mark.parametrize(
    ("words", "binds"),
    [
        ("GPL-3.0-only", True), ("AGPL-3.0", True), ("GNU General Public License v2 (GPLv2)", True), ("MIT", False),
        ("GNU Library or Lesser General Public License (LGPL)", False), ("Apache-2.0 OR GPL-2.0-or-later", False),
        ("LGPL-3.0-or-later", False), ("MIT; it brings x (GPL-3.0-or-later)", True),
    ],
)  # fmt: skip
def test_what_the_gpl_is(words: str, binds: bool) -> None:
    assert is_gpl(words) is binds


@pytest.mark.patient
def test_the_wheel_has_the_same_bytes_wherever_it_is_built(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "another folder"):
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / name)], check=True)
        (tmp_path / name / ".venv").symlink_to(ROOT / ".venv")
        for file in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / file, tmp_path / name / file)
        subprocess.run(["make", "-o", ".venv/.installed", "wheel"], cwd=tmp_path / name, check=True)
        (wheel,) = (tmp_path / name / "build/wheel").glob("m2pt-*.whl")
        digests.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert len(digests) == 1

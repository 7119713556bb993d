"""Which source code a run computes with: the git commit of m2pt, and a digest of its files."""

import functools
import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import m2pt

APART = (
    "analysis", "config/study_file.py", "export", "inference", "methods/__main__.py", "models/costs.py", "runs/table.py",
    "runs/trials.py",
)  # fmt: skip
"""The parts of m2pt that no run computes with; `code_sha256` covers all others."""


@functools.cache
def git_commit() -> str | None:
    """The commit of m2pt's source tree, `+changes` where files differ from it or are new; None outside a checkout of it."""
    return commit_of(Path(m2pt.__file__).parent)


def commit_of(source: Path) -> str | None:
    """The commit of the package in a folder. A checkout that contains the package but ignores it is not the package's own."""
    if _git(source, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
        return None
    commit, changes = _git(source, "rev-parse", "HEAD"), _git(source, "status", "--porcelain", "--", ".")
    if commit is None or changes is None:
        return None
    return commit.strip() + ("+changes" if changes.strip() else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git in a folder; None if it fails. Variables of a git command that started us would name its repository."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "status.showUntrackedFiles=normal", *arguments],
            cwd=folder,
            env=variables,
            capture_output=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")


@functools.cache
def code_sha256() -> str:
    """SHA-256 over the names and contents of the source files that runs compute with, as they are at the first call.

    It depends on the installed files alone: a checkout and a wheel of the same code have the same digest, and a changed file
    changes it, whether git tracks the file or not.
    """
    return digest_of(Path(m2pt.__file__).parent)


def digest_of(package: Path) -> str:
    """The digest of m2pt's package in a folder."""
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    apart = {name for name in files if any(name == part or name.startswith(f"{part}/") for part in APART)}
    return files_sha256({name: path for name, path in files.items() if name not in apart})


def files_sha256(files: Mapping[str, Path]) -> str:
    """SHA-256 over the names and contents of files. Line endings of source files do not count: git may change them."""
    total = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes()
        content = content.replace(b"\r\n", b"\n") if name.endswith(".py") else content
        total.update(os.fsencode(name) + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()

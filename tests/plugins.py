"""Packages as an installer leaves them: modules, and beside them what they are called and the entry points that they have."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "m2pt-timeseries"


def install(
    folder: Path, name: str, points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str], version: str = "1.0"
) -> None:
    """A distribution with these modules (by their file) and entry points (by their group)."""
    home = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    home.mkdir(parents=True)
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [line for group, named in points.items() for line in (f"[{group}]", *(f"{key} = {at}" for key, at in named.items()))]
    (home / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for file, text in modules.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


def install_example(folder: Path, work: Path) -> Path:
    """The worked example of the documentation, installed by pip into a folder; `work` is for what the build leaves."""
    source = Path(copytree(EXAMPLE, work / "m2pt-timeseries"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True, capture_output=True)
    return folder

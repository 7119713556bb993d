"""Take the pictures in docs/pictures: `make pictures`, or some of them with `make pictures ARGS='terminal report'`.

The terminal's and the report's need nothing but a browser. Those of MLflow, Prefect and DVC show the study of params.yaml, which
`make study` has to have finished. They are taken in a copy of the project, so that nothing in it changes; `--copy FOLDER` keeps
the copy and uses it again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser import BROWSERS, Tab, browser
from tests.pictures import of_dvc, of_report, of_servers, of_terminal
from tests.pictures.canvas import FOLDER

ROOT = Path(__file__).parents[2]
NAMES = ("report", "terminal", "dvc", "mlflow", "prefect")
_OF_STUDY = {"dvc", "mlflow", "prefect"}
_LINKED = ("runs", "encoders", "data", "mlartifacts", "build/data", ".dvc/cache")
_COPIED = ("mlflow.db", ".prefect")


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)}; none: all")
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="where to keep the copy of the project")
    options = parser.parse_args()
    asked = set(options.names) or set(NAMES)
    if unknown := sorted(asked - set(NAMES)):
        parser.error(f"{unknown[0]} is no picture; the names are {', '.join(NAMES)}.")
    if not any(map(shutil.which, BROWSERS)):
        parser.error(f"no browser is installed; install one of {', '.join(BROWSERS)}.")
    if asked & _OF_STUDY and (missing := [name for name in (*_LINKED[:2], *_COPIED) if not (ROOT / name).exists()]):
        parser.error(
            f"{missing[0]} is missing: pictures of MLflow, Prefect and DVC show a finished study; run `make study` first."
        )
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, browser(Path(temporary, "profile")) as tab:
        _take(tab, asked, Path(temporary), (options.copy or Path(temporary, "copy")).resolve())


def _take(tab: Tab, asked: set[str], folder: Path, copy: Path) -> None:
    if "report" in asked:
        of_report.take_all(tab, ROOT / "reports")
    if "terminal" in asked:
        of_terminal.take_all(tab, ROOT, folder)
    if not asked & _OF_STUDY:
        return
    if not copy.exists():
        _copy(copy)
    if "dvc" in asked:
        of_dvc.take_all(tab, copy, folder)
        _widen(copy)
    if asked & {"mlflow", "prefect"}:
        of_servers.take_all(tab, copy, asked)


def _copy(place: Path) -> None:
    """The last commit, the files of its working tree, and what the study left behind; what is only read is linked."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    of_terminal.copy_tracked(ROOT, place)
    for name in filter(lambda name: (ROOT / name).exists(), _LINKED):
        shutil.copytree(ROOT / name, place / name, copy_function=os.link)
    for name in _COPIED:
        copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copied(ROOT / name, place / name)


def _widen(copy: Path) -> None:
    """The whole study again, after an experiment with a part of it: its runs come back, and the report says so to Prefect."""
    subprocess.run(["git", "checkout", "--quiet", "--", "params.yaml", "dvc.lock", "reports"], cwd=copy, check=True)
    for command in ("sweep", "report"):
        subprocess.run([sys.executable, "-m", "pipelines", command], cwd=copy, check=True)


if __name__ == "__main__":
    main()

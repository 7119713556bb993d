"""The cost of orchestration: the wall time of a sweep compared with the time that its jobs need.

    .venv/bin/python benchmarks/sweep_overhead.py [--study params.yaml]

Takes the data and the encoders of a complete study, repeats all its runs in a temporary project folder with the command that
users call, and prints wall time ÷ (sum of the jobs' training and evaluation seconds ÷ slots). Expect at most 1.15 for the
embedded study. Wall time includes starting Python, Prefect's server and the workers, and publishing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from m2pt.config import Study
from m2pt.config.study_file import load_study
from m2pt.files.documents import read_json
from m2pt.runs.folder import EXECUTION
from pipelines.planning.slots import slots


def project(folder: Path, study: Study, file: Path) -> None:
    """Make a project folder without runs that shares data, decoded data and encoders with this one."""
    (folder / "study.yaml").write_bytes(file.read_bytes())
    for name in (study.data.root, f"encoders/{study.study}", ".m2pt/cache"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(Path(name).resolve(), target_is_directory=True)


def job_seconds(runs: Path) -> list[float]:
    """Training and evaluation seconds of every run."""
    attempts = [attempt for path in sorted(runs.glob(f"*/{EXECUTION}")) for attempt in read_json(path)["attempts"]]
    return [attempt["seconds"]["train"] + attempt["seconds"]["evaluate"] for attempt in attempts]


def main() -> int:
    """Measure and print; returns the exit code of the sweep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--study", type=Path, default=Path("params.yaml"))
    file = parser.parse_args().study
    study = load_study(file)
    with tempfile.TemporaryDirectory(prefix="m2pt overhead ") as name:
        folder = Path(name)
        project(folder, study, file)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "pipelines", "sweep", "--study", "study.yaml"], cwd=folder)
        wall = time.perf_counter() - start
        seconds = job_seconds(folder / "runs" / study.study)
    if not seconds:
        print("the sweep executed no run", file=sys.stderr)
        return done.returncode or 1
    count = len(slots(study.execution))
    ideal = sum(seconds) / count
    print(f"runs {len(seconds)}, slots {count}, jobs {sum(seconds):.1f} s, ideal {ideal:.1f} s, wall {wall:.1f} s")
    print(f"wall / ideal = {wall / ideal:.3f}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

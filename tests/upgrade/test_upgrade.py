"""Folders that earlier versions left are read, or told apart from those of this one; nothing of them is lost.

`kept/` has runs and encoders of `studies/smoke.yaml` as each version of the recipes left them (recipe 3 twice: with the method's
earlier name, and with lineages), without pictures and logs.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import RunState, read_history, read_spec, recipe_version, run_state
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.record import read_record

KEPT = Path(__file__).parent / "kept"
VERSIONS = {"recipe-1": 1, "recipe-2": 2, "recipe-3": 3, "recipe-3-lineage": 3}
RUNS = sorted(path.parent for path in KEPT.glob("*/*/smoke/*/record.json"))
STUDY = Path(__file__).parents[2] / "studies" / "smoke.yaml"


@pytest.mark.parametrize("run_dir", RUNS, ids=lambda path: f"{path.parts[-4]}-{path.name}")
def test_a_run_of_an_earlier_version_is_read_or_told_apart(run_dir: Path) -> None:
    version = VERSIONS[run_dir.parts[-4]]
    assert recipe_version(run_dir) == version
    assert run_state(run_dir) == RunState.COMPLETE
    assert read_history(run_dir) and read_attempts(run_dir)[0].versions["m2pt"] in ("0.1.0", "0.2.0")
    if version == RECIPE_VERSION and "own_modality" not in run_dir.name:
        assert run_id(read_spec(run_dir)) == run_dir.name == read_record(run_dir).run_id
    else:
        with pytest.raises(UserError, match=r"is not a run of this version of m2pt|its id does not follow from its spec"):
            read_spec(run_dir)


def test_every_version_of_the_recipes_has_its_folders() -> None:
    assert {VERSIONS[run_dir.parts[-4]] for run_dir in RUNS} == set(range(1, RECIPE_VERSION + 1))


@pytest.mark.patient
@pytest.mark.parametrize("name", VERSIONS)
def test_a_study_goes_on_in_a_folder_of_an_earlier_version(tmp_path: Path, name: str) -> None:
    shutil.copytree(KEPT / name, tmp_path, dirs_exist_ok=True)
    text = STUDY.read_text(encoding="utf-8")
    (tmp_path / "smoke.yaml").write_text(text + "execution: {slots: 1, other_environment: mix}\n", encoding="utf-8")
    before = _digests(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "study", "--study", "smoke.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 fine-tuning runs are complete" in done.stdout
    assert before.items() <= _digests(tmp_path).items(), "every file is there, with its bytes"
    told = f"of version {VERSIONS[name]} of the recipes (this is {RECIPE_VERSION}) put aside"
    assert (told in done.stdout) is (VERSIONS[name] != RECIPE_VERSION)
    taken = {path.name for path in (tmp_path / "runs/smoke").iterdir()} & {
        path.name for path in (KEPT / name).glob("runs/smoke/*")
    }
    assert len(taken) == {"recipe-1": 0, "recipe-2": 0, "recipe-3": 2, "recipe-3-lineage": 3}[name]


def _digests(project: Path) -> dict[str, str]:
    """The SHA-256 of the files of runs and encoders, by run and name, wherever the run lies."""
    found = {}
    for folder in ("runs", "encoders"):
        for path in (project / folder).rglob("*"):
            if path.is_file() and path.name not in ("lock", "lease") and "-s0-" in str(path):
                run_dir = next(part for part in path.parts if "-s0-" in part)
                found[f"{run_dir}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

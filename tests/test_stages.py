"""The graph in dvc.yaml names what its stages read: a forgotten dependency would let DVC keep results that are out of date."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2pt.config import MODALITIES, Study
from m2pt.config.study_file import load_study

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Importing these changes no number: the version, and the declaration of operators.
NO_NUMBERS = {"m2pt/__init__.py", "m2pt/torchvision_operators.py"}


def paths(stage: str, kind: str) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in STAGES[stage].get(kind, [])]


def sources(statement: str) -> set[str]:
    """The files of m2pt that a statement imports, by a fresh interpreter."""
    listing = (
        f"{statement}; import sys; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'm2pt'), sep='\\n')"
    )
    output = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {Path(line).resolve().relative_to(ROOT.resolve()).as_posix() for line in output.splitlines()}


def uncovered(files: set[str], stage: str) -> set[str]:
    covers = paths(stage, "deps")
    return {file for file in files if not any(file == path or file.startswith(f"{path}/") for path in covers)}


def test_every_dependency_stands_in_the_tree_or_is_made_by_another_stage() -> None:
    made = {"data", *(path for stage in STAGES for path in paths(stage, "outs"))}
    for stage in STAGES:
        assert [path for path in paths(stage, "deps") if path not in made and not (ROOT / path).exists()] == []


def test_what_a_job_imports_is_a_dependency_of_the_sweep() -> None:
    assert uncovered(sources("import m2pt.job") - NO_NUMBERS, "sweep") == set()


def test_what_the_embedded_data_are_made_with_is_a_dependency_of_the_data() -> None:
    rooms = ", ".join(f"m2pt.modalities.{modality}.embedded" for modality in MODALITIES)
    plain = {
        "m2pt/modalities/shared/listed.py",
        "m2pt/modalities/shared/missing.py",
        "m2pt/modalities/shared/samples.py",
    }  # what is missing is told
    left = uncovered(sources(f"import {rooms}") - NO_NUMBERS - plain, "data")
    assert {
        file
        for file in left
        if not file.endswith("__init__.py") and not file.startswith(("m2pt/config/", "m2pt/files/", "m2pt/runs/"))
    } == set()


@pytest.mark.parametrize("stage", ["pretrain", "sweep"])
def test_every_section_that_can_change_a_number_is_a_parameter(stage: str) -> None:
    sections = set(Study.model_fields) - {"execution", "search", "design", "plugins"}  # a search is not done by stages
    if stage == "pretrain":  # of the sweep, what says which encoders it loads: not how they are fine-tuned
        keys = ("targets", "auxiliaries", "methods", "settings", "target_encoder", "auxiliary_encoder", "encoder_seeds", "seeds")
        sections = sections - {"finetune", "pathway", "rivals", "sweep"} | {f"sweep.{key}" for key in keys}
    assert set(STAGES[stage]["params"]) == sections


def test_the_default_study_declares_every_section_and_owns_the_outputs_of_the_stages() -> None:
    declared = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(STAGES["sweep"]["params"]) <= set(declared), "DVC refuses a parameter that the file leaves to its default"
    study = load_study(ROOT / "params.yaml").study
    assert paths("pretrain", "outs") == [f"encoders/{study}"]
    assert paths("sweep", "outs") == [f"runs/{study}"]


def test_runs_persist_and_what_varies_between_executions_is_ignored() -> None:
    for stage in ("pretrain", "sweep"):
        assert all(entry[path]["persist"] for entry in STAGES[stage]["outs"] for path in entry)
        ignored = (ROOT / ".dvcignore").read_text().splitlines()
        assert f"/{paths(stage, 'outs')[0].split('/')[0]}/*/*/local/" in ignored

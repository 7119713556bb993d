"""The four modalities have the same rooms: whoever knows one knows all."""

import subprocess
import sys
from pathlib import Path

import pytest

import m2pt.modalities
from m2pt.config import DATASETS, MODALITIES, SECTIONS, Modality
from m2pt.modalities.dataset import DatasetSpec
from m2pt.modalities.registry import SPECS, datasets

HOME = Path(m2pt.modalities.__file__).parent

ROOMS = {
    "__init__.py",
    "augment.py",
    "datasets/",
    "decoding/",
    "embedded.py",
    "heads/",
    "items.py",
    "maps.py",
    "own.py",
    "published.py",
    "recipes.py",
    "reconstruct.py",
    "small.py",
    "spec.py",
    "tokenizer.py",
    "transforms/",
}


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_wing_has_the_rooms_of_all_wings_and_no_other(modality: Modality) -> None:
    entries = [path for path in (HOME / modality).iterdir() if path.name != "__pycache__"]
    assert {f"{path.name}/" if path.is_dir() else path.name for path in entries} == ROOMS


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_wing_declares_its_modality(modality: Modality) -> None:
    spec = SPECS[modality]
    assert spec.name == modality
    assert spec.section is SECTIONS[modality]
    assert {recipe.goal for recipe in spec.recipes.values()} and all(
        isinstance(recipe.input, spec.section) for recipe in spec.recipes.values()
    )


def test_the_schema_knows_the_data_sets_that_the_wings_declare() -> None:
    declared = {name: spec for name, spec in datasets()}
    assert tuple(declared) == DATASETS
    assert all(isinstance(spec, DatasetSpec) for spec in declared.values())


def test_to_know_the_modalities_imports_nothing_that_computes_or_decodes() -> None:
    listing = "import m2pt.modalities.registry, m2pt.methods, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()
    assert "pydantic" in loaded
    assert {"torch", "numpy", "av", "h5py", "soundfile", "trimesh", "sklearn", "matplotlib"}.isdisjoint(loaded)

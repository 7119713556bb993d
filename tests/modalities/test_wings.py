"""The four modalities have the same rooms: whoever knows one knows all."""

from pathlib import Path

import pytest

import m2pt.modalities
from m2pt.config import MODALITIES

HOME = Path(m2pt.modalities.__file__).parent

ROOMS = {
    "__init__.py",
    "augment.py",
    "datasets/",
    "decoding/",
    "embedded.py",
    "heads/",
    "items.py",
    "published.py",
    "recipes.py",
    "reconstruct.py",
    "small.py",
    "spec.py",
    "tokenizer.py",
    "transforms/",
}


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_wing_has_the_rooms_of_all_wings_and_no_other(modality: str) -> None:
    entries = [path for path in (HOME / modality).iterdir() if path.name != "__pycache__"]
    assert {f"{path.name}/" if path.is_dir() else path.name for path in entries} == ROOMS

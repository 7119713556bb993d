"""The JSON schema of study files is what the code makes, and takes what the reader takes."""

import json
import math
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from m2pt.config import Study
from m2pt.config.base import UNCHECKED
from m2pt.config.plain_yaml import read_yaml
from m2pt.config.schema import SCHEMA, text
from tests.config.test_faults import BASE, PATHS, WRONG, document_with

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "params.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]
VALID = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_the_file_is_what_the_code_makes():
    assert SCHEMA.read_text(encoding="utf-8") == text(), "write it anew: make schema"
    Draft202012Validator.check_schema(VALID.schema)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_every_study_file_names_it_in_its_first_line_and_is_valid(file: Path):
    content = file.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", content)
    assert named and (file.parent / named[1]).resolve() == SCHEMA.resolve()
    assert [error.message for error in VALID.iter_errors(read_yaml(content, file.name))] == []


def test_every_key_says_what_it_means():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    sections = [schema, *schema["$defs"].values()]
    keys = [(name, key) for section in sections for name, key in section.get("properties", {}).items()]
    assert len(keys) > 150
    assert [name for name, key in keys if not key.get("description") and "$ref" not in key] == []


def is_read(document: object) -> bool:
    """Whether the reader takes the values of a document one by one."""
    try:
        Study.model_validate_json(json.dumps(document), context=UNCHECKED)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("share", [8, pytest.param(1, marks=pytest.mark.patient)])
def test_the_schema_refuses_a_value_of_a_key_if_and_only_if_the_reader_does(share: int):
    own = [path for path in PATHS if path[:1] != ("tasks",) or path[2:3] not in (("finetune",), ("input",))]
    cases = [(path, value) for path in own for value in WRONG if not is_whole_float(value) and (path[-1], value) != TRUE_IS_ONE]
    documents = [(path, value, document_with(path, value)) for path, value in cases[::share]]
    unlike = [(path, value) for path, value, document in documents if document and VALID.is_valid(document) != is_read(document)]
    assert unlike == []
    assert len(documents) > 3000 / share


TRUE_IS_ONE = ("channels", True)
"""Pydantic reads true as one of the numbers that are listed."""


def is_whole_float(value: object) -> bool:
    """Infinity, and 1e9, which JSON's schema takes for a whole number, and the reader does not."""
    return isinstance(value, float) and (not math.isfinite(value) or value.is_integer())


TASK = {"modality": "audio", "dataset": "esc50", "path": "ESC-50", "recipes": {"full": "audiomae-esc50"}}


@pytest.mark.parametrize(
    ("changes", "is_valid"),
    [
        ({"finetune": {"batch_size": 8, "augment": {"roll": True}}, "input": {"frames": 64}}, True),
        ({"finetune": {"batch_sise": 8}}, False),
        ({"finetune": {"batch_size": 0}}, False),
        ({"input": {"size": 32}}, False),  # a key of pictures
        ({"modality": "image", "input": {"size": 32}}, True),
    ],
)
def test_what_a_task_changes_are_keys_of_the_recipe_and_of_its_modality(changes, is_valid):
    assert VALID.is_valid({**BASE, "tasks": {"scenes": {**TASK, **changes}}}) == is_valid


def test_a_seed_must_fit_a_table_by_the_schema_too():
    assert VALID.is_valid(document_with(("sweep", "seeds"), [2**63 - 1]))
    assert not VALID.is_valid(document_with(("sweep", "seeds"), [2**63]))

"""`import m2pt` offers the public API, and imports it only when it is used."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import m2pt

PUBLIC = [name for name in m2pt.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_exported_name_exists_and_has_a_docstring(name):
    value = getattr(m2pt, name)
    assert callable(value)
    assert inspect.getdoc(value)
    assert getattr(import_module(value.__module__), name) is value


def test_type_checkers_are_shown_the_same_names_from_the_same_modules():
    imported = {}
    for node in ast.walk(ast.parse(Path(m2pt.__file__).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("m2pt."):
            imported |= {alias.asname: node.module for alias in node.names if alias.asname}
    assert imported == m2pt._HOME


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'attahc'"):
        _ = m2pt.attahc
    assert not hasattr(m2pt, "attahc")


def test_the_public_names_are_listed():
    assert set(m2pt.__all__) <= set(dir(m2pt))


def test_importing_m2pt_imports_nothing_that_is_slow_to_import():
    heavy = {"pandas", "timm", "torchvision", "pydantic", "scipy", "matplotlib", "m2pt.pathway", "m2pt.config"}
    listing = f"import sys, m2pt; print(*({heavy!r} & set(sys.modules)))"
    imported = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()
    assert imported == []


def test_the_first_use_of_a_name_finds_operators_that_torchvision_lacks_declared():
    use = "import m2pt; m2pt.attach; import timm, torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    assert subprocess.run([sys.executable, "-c", use], check=True, capture_output=True, text=True).stdout == "True\n"

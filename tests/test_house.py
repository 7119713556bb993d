"""The shape of the house: small files, short functions, few loose files, a sentence for each room."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for package in ("m2pt", "pipelines") for path in sorted((ROOT / package).rglob("*.py"))]
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
ROOMS = [path for path in FILES if path.name == "__init__.py"]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_has_at_most_300_lines_and_a_function_at_most_45(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    lengths = [(node.name, node.end_lineno - node.lineno + 1) for node in functions(ast.parse(text)) if node.end_lineno]
    assert [(name, lines) for name, lines in lengths if lines > 45] == []


def test_few_files_are_outside_the_rooms():
    loose = {package: {path.name for path in (ROOT / package).glob("*.py")} for package in ("m2pt", "pipelines")}
    assert loose["pipelines"] == {"__init__.py", "__main__.py"}
    assert len(loose["m2pt"] - {"__init__.py"}) <= 6


@pytest.mark.parametrize("path", ROOMS, ids=[str(path.parent.relative_to(ROOT)) for path in ROOMS])
def test_a_room_says_what_it_is_for_in_one_sentence(path: Path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(docstring.split("\n\n")[0].split())
    assert re.fullmatch(r"[^.]+(\.\w[^.]*)*\.", first), first


def test_names_say_what_they_hold():
    uses = sum(len(re.findall(r"\bfound\b", path.read_text(encoding="utf-8"))) for path in FILES)
    assert uses <= 42, "name a thing for what it holds, not for having been found"

"""The documentation is built from the code, says everything it has to, and its examples work."""

import ast
import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

import m2pt
from m2pt.config import Study
from m2pt.config.schema import SCHEMA
from m2pt.config.study_file import parse_study
from m2pt.methods import METHODS
from m2pt.modalities.registry import SPECS
from m2pt.runs.attempts import Attempt
from m2pt.runs.record import FinetuneRecord, PretrainRecord
from pipelines.__main__ import COMMANDS, build_parser
from tests.finished_runs import do_study

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(path: Path, language: str) -> list[str]:
    """The code of a page in a language."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [code for name, code in fences if name == language]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def text(page: Path) -> str:
    return unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def keys(schema, definitions, path="") -> set[str]:
    """The dotted keys that a JSON schema allows, without names that are free."""
    if "$ref" in schema:
        return keys(definitions[schema["$ref"].rpartition("/")[2]], definitions, path)
    allowed = set()
    for key, value in schema.get("properties", {}).items():
        place = f"{path}.{key}".lstrip(".")
        allowed |= {place} | keys(value, definitions, place)
    for value in [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]:
        if isinstance(value, dict):
            allowed |= keys(value, definitions, f"{path}.NAME")
    if "items" in schema:
        allowed |= keys(schema["items"], definitions, f"{path}[]")
    for choice in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        allowed |= keys(choice, definitions, path)
    return allowed


def test_every_key_of_a_study_file_is_in_the_reference_with_its_meaning(site: Path):
    schema = Study.model_json_schema()
    known = keys(schema, schema["$defs"])
    assert {"finetune.learning_rate", "tasks.NAME.path", "parts[].set", "encoders.NAME.kind"} <= known
    page = (site / "reference/study-files.html").read_text(encoding="utf-8")
    shown = set()
    for heading, body in re.findall(r'<h2 id="[^"]*">(.*?)<a.*?</h2>(.*?)(?=<h2|</article>)', page, re.DOTALL):
        section = re.match(r"<code>(.*?)</code>", heading)
        for key, *cells in re.findall(r"<tr>\s*<td><code>(.*?)</code></td>\s*" + r"<td>(.*?)</td>\s*" * 3, body, re.DOTALL):
            assert all(re.sub(r"<[^>]*>", "", cell).strip() for cell in cells), key
            shown.add(f"{unescape(section[1])}.{key}" if section else key)
    assert shown == known


def test_the_schema_of_study_files_is_published(site: Path):
    assert (site / "reference/study.schema.json").read_text(encoding="utf-8") == SCHEMA.read_text(encoding="utf-8")
    assert 'href="study.schema.json"' in (site / "reference/study-files.html").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name_and_every_command(site: Path):
    api = (site / "reference/api.html").read_text(encoding="utf-8")
    assert [name for name in m2pt.__all__ if name != "__version__" and f'id="m2pt.{name}"' not in api] == []
    commands = text(site / "reference/commands.html")
    assert [name for name in COMMANDS if f"usage: m2pt {name} " not in commands] == []


def test_the_reference_has_every_method_data_set_and_recipe(site: Path):
    methods = (site / "reference/methods.html").read_text(encoding="utf-8")
    assert [name for name in METHODS if f"<code>{name}</code>" not in methods] == []
    page = (site / "reference/data-sets.html").read_text(encoding="utf-8")
    names = [name for spec in SPECS.values() for name in (*spec.datasets, *spec.recipes)]
    assert [name for name in names if f"<code>{name}</code>" not in page] == []


def test_the_reference_has_every_key_of_a_record(site: Path):
    page = (site / "reference/runs.html").read_text(encoding="utf-8")
    kinds = (FinetuneRecord, PretrainRecord, Attempt)
    assert [key for kind in kinds for key in kind.model_fields if f"<td><code>{key}</code></td>" not in page] == []


def test_no_page_loads_anything_from_elsewhere(site: Path):
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 1
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\bsrc=\"?([^\s\">]+)", html)
        loaded += [link for link in re.findall(r"<link[^>]*>", html) if 'rel="canonical"' not in link]
        assert [one for one in loaded if "//" in one and not one.startswith("data:")] == [], page


def test_the_code_of_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/smoke.yaml").write_bytes((ROOT / "studies/smoke.yaml").read_bytes())
    do_study("studies/smoke.yaml")
    exec("\n".join(blocks(ROOT / "docs/tutorial.md", "python")), {})
    printed = capsys.readouterr().out
    assert "mlp.fc2" in printed


def test_the_code_that_joins_models_of_timm_runs(capsys: pytest.CaptureFixture[str]):
    exec("\n".join(blocks(ROOT / "docs/how-to/pathway.md", "python")), {})
    assert capsys.readouterr().out == "36\n"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=lambda page: page.stem)
def test_every_example_of_a_study_file_is_valid(page: Path):
    whole = next(block for block in blocks(ROOT / "docs/how-to/study.md", "yaml") if block.startswith("study:"))
    for block in blocks(page, "yaml"):
        example = yaml.safe_load(block)
        study = {} if {"study", "encoders", "sweep"} <= example.keys() else yaml.safe_load(whole)
        for section, value in example.items():
            study[section] = {**study.get(section, {}), **value} if isinstance(value, dict) else value
        assert parse_study(yaml.safe_dump(study, allow_unicode=True), str(page)).study


def test_every_command_line_is_one_that_m2pt_and_make_understand():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    lines = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith((".venv/bin/m2pt ", "make "))]
    assert len(commands) > 10
    for program, *arguments in commands:
        if program == "make":
            assert arguments[0] in targets
        else:
            build_parser().parse_args(arguments)


def test_the_citation_and_the_changelog_are_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == m2pt.__version__
    newest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == m2pt.__version__


OWN_VARIABLES = {
    "CUBLAS_WORKSPACE_CONFIG": "a job sets it, for sums in one order",
    "M2PT_EVENTS": "a command sets it for the commands that it starts",
    "M2PT_PAGES_AUTH": "the same",
    "M2PT_PARENT": "the same",
    "M2PT_PREFECT": "the same",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "`m2pt ui` sets it for its server",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "the same",
    "PATH": "every shell has it",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "a command sets it for the processes of a Ray cluster that it starts",
}
"""Environment variables that the code reads and nobody needs to know, and why."""


def variables_read(folders: list[Path]) -> set[str]:
    """The names of the environment variables that Python files read, as far as they are written down there."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for folder in folders for path in folder.rglob("*.py")}
    constants: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                for target in node.targets:
                    constants.setdefault(ast.unparse(target), set()).add(node.value.value)
    names: set[str] = set()
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Attribute(value=place, attr="get" | "pop" | "setdefault"), args=[name, *_]):
                pass
            case ast.Call(func=ast.Attribute(attr="getenv") as place, args=[name, *_]) | ast.Subscript(value=place, slice=name):
                pass
            case _:
                continue
        if ast.unparse(place) in ("os.environ", "environ", "os.getenv"):
            known = constants.get(ast.unparse(name).rpartition(".")[2], set())
            names |= {name.value} if isinstance(name, ast.Constant) else {one for one in known if re.fullmatch("[A-Z0-9_]+", one)}
    return names


def test_every_environment_variable_that_is_read_is_in_the_reference():
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8").partition("## Environment variables")[2]
    shown = {
        name for row in page.splitlines() if row.startswith("|") for name in re.findall(r"`([A-Z0-9_]+)`", row.split("|")[1])
    }
    read = variables_read([ROOT / "m2pt", ROOT / "pipelines"])
    assert {"M2PT_TRACKER", "M2PT_NOTIFY_URL", "PREFECT_API_URL", "CUDA_VISIBLE_DEVICES"} <= read
    assert OWN_VARIABLES.keys() <= read, "one is not read any more"
    assert read - OWN_VARIABLES.keys() - shown == set()
    assert {"NO_COLOR", "M2PT_SHARED_PREFECT", "M2PT_NOTIFY_COMMAND"} <= shown


def test_commands_are_written_as_a_shell_finds_them():
    """A page's blocks work from the folder of the project; README.md has the command activated before it is used by its name."""
    for page in PAGES:
        lines = [
            line for language in ("", "bash", "console", "sh") for block in blocks(page, language) for line in block.splitlines()
        ]
        assert [line for line in lines if re.match(rf"m2pt ({'|'.join(COMMANDS)})\b", line)] == [], page
    before, activated, after = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n. .venv/bin/activate ")
    assert activated and "\nm2pt plan " in after
    assert re.findall(rf"\bm2pt (?:{'|'.join(COMMANDS)})\b", before) == []
    assert ".venv/bin/m2pt" not in after.partition("\n```\n")[2], "it is m2pt from there on"

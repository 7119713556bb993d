"""Study files with one to three things wrong: whatever was done to a file, it is read, or its author is told what is wrong.

The changes are drawn with a fixed seed, so that a failure repeats. `SMALL` is changed in every run of the tests, all study files
in the patient ones.
"""

import copy
import math
import random
import re
from pathlib import Path

import pytest
import yaml

from m2pt.config import UserError
from m2pt.config.plain_yaml import examine
from pipelines.planning.study_file import load

PROJECT = Path(__file__).parents[2]
SMALL = PROJECT / "studies" / "smoke.yaml"
FILES = [PROJECT / "params.yaml", *sorted((PROJECT / "studies").glob("*.yaml"))]

FOREIGN = re.compile(
    r"[Ii]nput should|[Ss]hould (be|have|match)|valid (integer|number|string|boolean|tuple|dict|list)|[Vv]alue error|Extra inputs"
    r"|Field required|discriminator|[Uu]nable to|validator|instance of|annotated|Literal|tagged|scalar|constructor|pydantic"
    r"|while (scanning|parsing|composing)|could not find|not allowed here|<block|but (found|got)|Traceback|Error\b"
    r"|[Oo]mega[Cc]onf|\b(NoneType|None|True|False|dict|tuple|str|float|int)\b|\{'|object at 0x"
)
"""Words of pydantic, PyYAML, ruamel.yaml and Python, in which nobody wrote a study file."""

QUOTED = re.compile(r'"(\\.|[^"\\])*"|\'[^\']*\'')
"""What a sentence repeats of the file."""

TEXT = re.compile(
    r"is not valid YAML|is indented by a tab|contains |the (key|tag|anchor) |a key must|an alias |a second document|directives"
    r"|merge keys|.* means different things|.* digits; no number|.* has a colon inside"
)
"""The beginnings of sentences about the text of a file, not about one of its keys."""

WRONG = [
    "§", "", " ", "x" * 80, "a\nb", "ü", "1", "0.5", "all", "auto", "random", "image", "2020-01-01",
    -1, 0, 1, 3, 7, 1.5, 1e9, 1e-300, 10**30, math.nan, math.inf, True, False, None,
    [], {}, [[]], [None], [{}], ["§"], [0, 0], [-1], {"§": 1}, {"a": None}, {"a": {"b": [1]}}, {"low": 0, "high": 1},
]  # fmt: skip
"""Values most of which are wrong for most keys."""


def told(path, content):
    """The lines of what is wrong with a file, without its name; nothing if it is read. Each obeys the rules of our sentences."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    try:
        load(path)
    except UserError as error:
        first, *rest = str(error).split("\n")
        assert not rest or first == f"{path}: {len(rest)} faults:", str(error)
        lines = [line.strip() for line in rest or [first]]
        assert len(set(lines)) == len(lines), "a fault is told twice"
        return [line_of(line, path) for line in lines]
    return []


def line_of(line, path):
    assert line.startswith(f"{path}:"), line
    line = line.removeprefix(f"{path}:").strip()
    assert re.match(r"\d+: ", line) or line.endswith(": is missing.") or "study file is" in line, f"has no line: {line}"
    sentence = re.sub(r"^\d+: ", "", line)
    assert sentence.endswith((".", "?")) and not sentence.endswith("..") and "  " not in QUOTED.sub("Q", sentence), line
    assert not FOREIGN.search(QUOTED.sub("Q", sentence)), line
    assert TEXT.match(sentence) or "study file is" in sentence or re.match(r"[^\s:][^:]*: \S", sentence), f"names no key: {line}"
    return line


def paths(value, path=()):
    """The paths of all keys and entries."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in entries:
        yield (*path, step)
        yield from paths(inner, (*path, step))


def section_of(document, path):
    for step in path[:-1]:
        document = document[step]
    return document


def changed(document, path, chance):
    """The document with one thing wrong at a path; as it was where an earlier change left nothing there."""
    document = copy.deepcopy(document)
    try:
        section, step = section_of(document, path), path[-1]
        value = section[step]
        section[step] = value  # a text takes no assignment
    except (KeyError, IndexError, TypeError):
        return document
    renames = ["number", "misspelt", "beside"] if isinstance(section, dict) else []
    match chance.choice([*["wrong"] * 6, "gone", "listed", "text", "nested", *renames]):
        case "wrong":
            section[step] = copy.deepcopy(chance.choice(WRONG))
        case "gone":
            del section[step]
        case "listed":
            section[step] = [value]
        case "text":
            section[step] = str(value)
        case "nested":
            section[step] = {"value": value}
        case "number":
            section[chance.choice([1, True, None, 1.5])] = section.pop(step)
        case "misspelt":
            section[f"{step}z"] = section.pop(step)
        case "beside":
            section["§unknown"] = 3
    return document


def change_and_read(file, path, seed, tries):
    chance, whole = random.Random(seed), examine(file.read_text(encoding="utf-8")).value
    places, wrong = list(paths(whole)), 0
    for _ in range(tries):
        document = whole
        for place in chance.sample(places, chance.choice([1, 2, 3])):
            document = changed(document, place, chance)
        wrong += bool(told(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True)))
    return wrong


def test_changed_values_and_keys_are_told_in_sentences(tmp_path):
    assert change_and_read(SMALL, tmp_path / "a.yaml", seed=1, tries=40) >= 30


@pytest.mark.patient
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_so_are_those_of_every_study_file(tmp_path, file):
    assert change_and_read(file, tmp_path / "a.yaml", seed=2, tries=20) >= 12


def test_every_key_of_a_study_that_is_misspelt_is_told_with_the_one_that_was_meant(tmp_path):
    whole, names = examine(SMALL.read_text(encoding="utf-8")).value, ("encoders",)
    for path in paths(whole):
        if not isinstance(path[-1], str) or path[:-1] == names:
            continue
        document = copy.deepcopy(whole)
        section = section_of(document, path)
        section[f"{path[-1]}z"] = section.pop(path[-1])
        lines = told(tmp_path / "a.yaml", yaml.safe_dump(document, sort_keys=False))
        key = ".".join([*path[:-1], f"{path[-1]}z"])
        assert any(re.fullmatch(rf"\d+: {re.escape(key)}: unknown key; did you mean {path[-1]}\?", line) for line in lines), lines


@pytest.mark.parametrize("value", [None, [], {}, "", 3, True, "x", [{}], {"§": 1}], ids=repr)
def test_whole_sections_that_are_something_else_are_told(tmp_path, value):
    whole = examine(SMALL.read_text(encoding="utf-8")).value
    for key in whole:
        told(tmp_path / "a.yaml", yaml.safe_dump(whole | {key: value}, sort_keys=False, allow_unicode=True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("\n", "\r\n"), None),
        (lambda text: text.replace("\n", "\r"), None),
        (lambda text: f"\ufeff{text}", None),
        (lambda text: f"\ufeff{text}".replace("\n", "\r\n"), None),
        (lambda text: f"---\n{text}...\n", None),
        (lambda text: text.removesuffix("\n"), None),
        (lambda text: text.encode("utf-16"), "a.yaml: is not a text file in UTF-8; a study file is YAML."),
        (lambda text: f"{text}# café\n".encode("latin-1"), "a.yaml: is not a text file in UTF-8; a study file is YAML."),
        (lambda text: "# nothing\n", "a.yaml: a study file is a mapping of sections, but this one is empty."),
        (lambda text: "- a\n", "a.yaml: a study file is a mapping of sections, but this one is a list."),
        (lambda text: "study: a\n", "a.yaml: encoders: is missing."),
        (lambda text: f"{text}\0", ": contains the character U+0000, which some readers refuse or read as a line break"),
        (lambda text: f"{text}study: b\n", ": the key 'study' is set twice; remove one."),
        (lambda text: f"{text}---\n{text}", ": a second document begins here; write only one."),
        (lambda text: text.replace("\n  ", "\n\t"), ": is indented by a tab; use spaces."),
        (lambda text: f"{text}'': 3\n", ": the key '' is not a name; give it one, or remove it."),
        (
            lambda text: f"{text}\u200brivals: {{}}\n",
            ": the key '\\u200brivals' contains the character U+200B, which is not seen",
        ),
        (lambda text: f"{text}rivals\u00a0: {{}}\n", ": the key 'rivals\\xa0' contains the character U+00A0, which is not seen"),
    ],
)
def test_the_text_of_a_file_around_its_keys(tmp_path, monkeypatch, change, sentence):
    monkeypatch.chdir(tmp_path)
    content = change(SMALL.read_text(encoding="utf-8"))
    lines = told(Path("a.yaml"), content)
    if sentence is None:
        assert not lines
        return
    with pytest.raises(UserError) as caught:
        load(Path("a.yaml"))
    assert sentence in str(caught.value)


def test_a_part_whose_name_is_no_text_is_told_as_one_of_the_faults(tmp_path):
    text = SMALL.read_text(encoding="utf-8") + "parts:\n  - name: [[]]\n    set: {sweep.methods: 3}\n"
    lines = told(tmp_path / "a.yaml", text)
    assert any("parts[0].name: must be a name" in line for line in lines)


def test_a_part_is_not_taken_for_one_whose_name_it_begins_with(tmp_path):
    parts = "parts:\n  - {name: a, set: {}}\n  - {name: a.b, set: {sweep.method: 3}}\n"
    text = SMALL.read_text(encoding="utf-8")
    (line,) = told(tmp_path / "a.yaml", text + parts)
    assert line == f"{len(text.splitlines()) + 3}: parts.a.b.set.sweep.method: unknown key; did you mean methods?"


def test_what_a_sentence_repeats_of_a_file_is_as_it_was_written(tmp_path):
    text = SMALL.read_text(encoding="utf-8")
    (line,) = told(tmp_path / "a.yaml", text.replace("epochs: 2", 'epochs: "größe\\u200b"'))
    assert line.endswith('finetune.epochs: must be a whole number above 0 (got "größe\\u200b").')

"""A study file means the same here and to DVC, whose own loader is the reference, or is refused with its line."""

import datetime
import math
import re
import warnings
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import load_yaml, parse_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from m2pt.config import UserError
from m2pt.config.plain_yaml import read_yaml
from m2pt.config.study_file import load_study, parse_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = [ROOT / "params.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


def by_dvc(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_yaml(text, "params.yaml")


def by_pyyaml(text):
    return yaml.safe_load(text)


def same(one, other):
    """Equality with types, where NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


NUMBERLIKE = st.text("0123456789_.:-+eExob aAfFiInNT", min_size=1, max_size=9)
WORDS = st.sampled_from(
    [form(word) for word in ("yes", "no", "on", "off", "y", "n", "true", "false", "null", "~", ".inf", ".nan", "-.inf", "<<", "=")
     for form in (str, str.upper, str.title)]
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
FLOATS = st.floats().map(repr)
QUOTED = TEXTS.map(lambda text: "'" + text.replace("'", "''") + "'") | TEXTS.map(lambda text: f'"{text}"')
SCALARS = NUMBERLIKE | WORDS | TEXTS | FLOATS | st.integers().map(str) | QUOTED
FORMS = st.sampled_from(["name: x\nvalue: {}\n", "- {}\n", "[1, {}]\n", "{{a: {}, b: 2}}\n", "value: # why\n  {}\n"])


@settings(max_examples=500, deadline=None, derandomize=True)
@given(SCALARS, FORMS)
@example("010", "- {}\n")
@example("0o10", "- {}\n")
@example("0x1F", "- {}\n")
@example("0b11", "- {}\n")
@example("1_000", "- {}\n")
@example("1:30", "- {}\n")
@example("1e-3", "- {}\n")
@example("1.5e3", "- {}\n")
@example("+.5", "- {}\n")
@example("08", "- {}\n")
@example("2020-01-01", "- {}\n")
@example("\ufeffx", "- {}\n")
@example("a\x85b", "- {}\n")
@example("'a\u2028b'", "- {}\n")
@example("a:b", "[1, {}]\n")
def test_a_scalar_is_what_dvc_reads_or_is_refused_with_its_line(scalar, form):
    text = form.format(scalar)
    try:
        found = read_yaml(text, "params.yaml")
    except UserError as error:
        assert re.match(r"params\.yaml:\d+: .*\.$|params\.yaml: \d+ faults:\n  params\.yaml:\d+: ", str(error))
        return
    assert same(found, by_dvc(text) or found)
    if "e" not in scalar.lower():  # exponents without point or sign are numbers in YAML 1.2 alone
        assert same(found, by_pyyaml(text))


PIECES = st.sampled_from(
    "a: 1|b: [1, 2]|c:|  d: x|  - e|\tf: 1|- g|? h|: i|j: @|  text|k: >-|l: &m 1|n: *m|<<: *m|---|...|# o|p: 'q|r'|s: {t: 1, u}|"
    "v: !w x|%YAML 1.1|1: y|? [z]|a: 2|  \t|aa: b: c|bb: c # d|cc: d#e|dd: 'it''s'|ee: \"a\\tb\\/\"|ff: [a: 1]|gg: -|hh: - 1|"
    'ii: @x|jj: `x|kk: %x|ll: 1,2|mm: {n: [o,]}|pp: "q\\|  r"|ss: |tt: # u|  v'.split("|")
) | st.just("j: |")


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=6))
def test_a_document_is_what_dvc_reads_or_is_refused(lines):
    text = "\n".join(lines) + "\n"
    try:
        found = read_yaml(text, "params.yaml")
    except UserError as error:
        assert re.match(r"params\.yaml:\d+: .*\.$|params\.yaml: \d+ faults:\n  params\.yaml:\d+: ", str(error))
        return
    assert same(found, by_dvc(text)) or (not found and not by_dvc(text))
    assert same(found, by_pyyaml(text))


@pytest.mark.parametrize("name", ["prefect.yaml", "dvc.yaml", ".pre-commit-config.yaml"])
def test_other_files_of_the_project_mean_the_same_to_all_their_readers(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert same(by_pyyaml(text), by_dvc(text))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_is_what_dvc_reads(path):
    load_study(path)
    assert same(read_yaml(path.read_text(encoding="utf-8"), path.name), load_yaml(str(path)))


REFUSED = [
    ("010", "010 means different things to readers of YAML 1.1 and 1.2; write a decimal number without leading zeros"),
    ("0o10", "0o10 means different things"),
    ("0b11", "0b11 means different things"),
    ("1_000", "1_000 means different things"),
    ("1:30", "1:30 means different things"),
    ("190:20:30.15", "190:20:30.15 means different things"),
    ("on", 'on means different things to readers of YAML 1.1 and 1.2; write true or false, or "on" in quotes'),
    ("Off", "Off means different things"),
    ("yes", "yes means different things"),
    ("n", "n means different things"),
    ("2026-11-25", '2026-11-25 means different things to readers of YAML 1.1 and 1.2; write .* "2026-11-25" in quotes'),
    ("!!int '3'", "the tag !!int changes what its value means"),
    ("!x 3", "the tag !x changes"),
    ("{<<: {a: 1}}", "merge keys"),
    ("{a: 1, a: 2}", "the key 'a' is set twice"),
    ("{a: 1, 'a': 2}", "the key 'a' is set twice"),
    ("{1: a}", "the key 1 is not a string; write it in quotes"),
    ("{true: a}", "the key true is not a string"),
    ("{[a]: b}", "a key must be a string"),
    ("&x [*x]", "an alias is inside the node that it refers to"),
    ("a\x07b", r"U\+0007"),
    ("'a\u2029b'", r"U\+2029"),
    ('"\\ud83d"', "half of a character"),
    ("[&x 1, &x 2]", "the anchor &x is defined twice"),
    ("[a:b]", "a:b has a colon inside brackets"),
    ("-.5", "-.5 means different things"),
    pytest.param("9" * 5000, "9{20}… has 5000 digits", id="a long number"),
    pytest.param("0x" + "f" * 5000, "0xf{18}… has 5002 digits", id="a long hexadecimal number"),
    ("2\n---\nc: 2", "a second document begins here"),
]


@pytest.mark.parametrize(("value", "problem"), REFUSED)
def test_what_is_refused_and_where(value, problem):
    line = 5 if "document" in problem else 4
    with pytest.raises(UserError, match=rf"^p\.yaml:{line}: .*{problem}"):
        read_yaml(f"# a study\na: 1\n\nb: {value}\n", "p.yaml")


def test_directives_are_refused():
    with pytest.raises(UserError, match="yaml:1: directives"):
        read_yaml("%YAML 1.1\n---\na: b\n", "p.yaml")


def test_seeds_with_leading_zeros_are_refused_in_a_study():
    text = "study: tiny\nencoders: {mae: {kind: mae}}\nsweep:\n  seeds: [010, 11]\n"
    assert by_pyyaml(text)["sweep"]["seeds"] == [8, 11]
    assert by_dvc(text)["sweep"]["seeds"] == [10, 11]
    with pytest.raises(UserError, match=r"^params\.yaml:4: 010 means different things"):
        parse_study(text, "params.yaml")


def test_what_both_readers_share_stays(tmp_path):
    text = (
        "a: &x [1, 0x1F, -2, +3, .5, 1e-3, 1.5e3, -.inf, ~, null, True, FALSE, 'on', \"010\", a b]\nb: *x\nc: |\n  two\n  lines\n"
    )
    found = read_yaml(text, "p")
    assert same(found, by_dvc(text))
    assert found["b"] == [1, 31, -2, 3, 0.5, 0.001, 1500.0, -math.inf, None, None, True, False, "on", "010", "a b"]
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [\r\n  2]\r\n")
    assert read_yaml(path.read_text(encoding="utf-8"), "p") == load_yaml(str(path)) == {"a": 1, "b": [2]}
    assert read_yaml('{"a": [1e-3, true, null, "x\\u00e9"], "b": {"c": -1}}', "p") == {
        "a": [0.001, True, None, "xé"],
        "b": {"c": -1},
    }
    assert not isinstance(read_yaml("'2026-11-25'", "p"), datetime.date)


def test_what_dvc_writes_for_a_changed_value_is_read_as_what_was_meant(tmp_path):
    """`dvc exp run -S key=value` writes the file anew; texts that are no texts to YAML 1.1 are refused, never turned."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text("finetune: {learning_rate: 0.001, head: mean}\nseeds: [0]\n")
    apply_overrides(path, ["finetune.learning_rate=1e-5", "seeds=[3,4]", "+finetune.clip_norm=null", "+finetune.augment=false"])
    expected = {"finetune": {"learning_rate": 1e-5, "head": "mean", "clip_norm": None, "augment": False}, "seeds": [3, 4]}
    assert read_yaml(path.read_text(), "p") == load_yaml(str(path)) == expected
    apply_overrides(path, ["finetune.head='on'"])
    with pytest.raises(UserError, match="on means different things"):
        read_yaml(path.read_text(), "p")


@pytest.mark.parametrize(("text", "sentence"), [
    pytest.param(
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 13)),
        "bomb.yaml:5: has more than 20000 values up to here, with those that aliases repeat; write fewer.",
        id="10^13 values by aliases"),
    pytest.param(f"seeds: {list(range(30_000))}",
        "bomb.yaml:1: has more than 20000 values up to here, with those that aliases repeat; write fewer.", id="values"),
    pytest.param("x" * 50_000_000, "bomb.yaml: has 50000000 characters; at most 400000 are read.", id="characters"),
    pytest.param("".join(" " * depth + "a:\n" for depth in range(400)),
        "bomb.yaml:51: more than 50 sections are inside one another; write fewer.", id="depth"),
])  # fmt: skip
def test_what_would_take_minutes_or_all_memory_is_refused_before_it_is_built(text, sentence):
    with pytest.raises(UserError) as told:
        read_yaml(text, "bomb.yaml")
    assert str(told.value) == sentence


def test_an_alias_that_repeats_little_is_read():
    assert read_yaml("a: &a [1, 2]\nb: [*a, *a]\n", "some.yaml") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}

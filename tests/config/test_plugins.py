"""What other installed packages add by entry point: its names, and what is said where it cannot be used."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from m2pt.config import MODALITIES, UserError
from m2pt.config import entry_points as points
from m2pt.config.entry_points import further
from m2pt.config.modalities import _of_plugin
from m2pt.config.modalities.section import Wing
from m2pt.config.plugins import Late, load
from m2pt.config.study_file import parse_study
from m2pt.methods import Method
from tests import plugins

ROOT = Path(__file__).parents[2]
METHOD = """
from m2pt.methods import Actions, Method

METHOD = Method(kind="control", takes="nothing", description="nothing", rank=1000, actions=lambda: Actions(lambda *_: None))
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path for packages that are installed in a test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(points, "_points", points._points.__wrapped__)  # packages come and go here
    return tmp_path


def test_without_plugins_there_is_what_m2pt_has() -> None:
    assert MODALITIES == ("image", "audio", "point", "video")


def test_a_package_adds_names_without_being_imported(site: Path) -> None:
    plugins.install(site, "one", {"m2pt.methods": {"mine": "one_package:METHOD"}}, {"one_package.py": "raise SystemExit\n"})
    known = further("m2pt.methods", ("pathway",))
    assert list(known.plugins) == ["mine"]
    assert known.faults == ()
    assert (str(known.plugins["mine"]), known.plugins["mine"].module) == ("one 1.0", "one_package")


@pytest.mark.parametrize(
    ("group", "name", "sentence"),
    [
        ("m2pt.modalities", "image", "the plugin one 1.0 adds a modality 'image', a name that m2pt itself has; rename it"),
        ("m2pt.methods", "a-b", "the plugin one 1.0 adds a method 'a-b'; its name must be small letters, digits and _"),
        ("m2pt.datasets", "Mine", "the plugin one 1.0 adds a data set 'Mine'; its name must be small letters, digits and -"),
    ],
)
def test_a_name_that_is_taken_or_no_name_is_told_in_a_sentence(site: Path, group, name: str, sentence: str) -> None:
    plugins.install(site, "one", {group: {name: "package:THING"}}, {})
    known = further(group, ("image", "audio"))
    assert known.plugins == {}
    assert [fault[: len(sentence)] for fault in known.faults] == [sentence]


def test_two_plugins_with_one_name_are_both_named(site: Path) -> None:
    for name in ("one", "two"):
        plugins.install(site, name, {"m2pt.datasets": {"mine": f"{name}:DATASET"}}, {})
    known = further("m2pt.datasets", ())
    assert known.plugins == {}
    assert known.faults == ("the plugins one 1.0 and two 1.0 each add a data set 'mine'; uninstall one of them",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise ValueError('no\\nlicence')", r"cannot be imported \(broken_one: ValueError: no licence\); repair the plugin"),
        (
            "import not_there_at_all",
            r"cannot be imported \(broken_one: ModuleNotFoundError: No module named 'not_there_at_all'\)",
        ),
        ("OTHER = 1", r"cannot be imported \(broken_one: AttributeError: .*'METHOD'\)"),
        ("METHOD = 'pathway'", r"is no Method \(broken_one:METHOD\); correct the plugin, or uninstall it\."),
    ],
)
def test_a_plugin_that_does_not_work_is_told_in_a_sentence(
    site: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_one", raising=False)
    plugins.install(site, "one", {"m2pt.methods": {"mine": "broken_one:METHOD"}}, {"broken_one.py": text})
    with pytest.raises(UserError, match=rf"^the method 'mine' of the plugin one 1\.0 {sentence}"):
        load(further("m2pt.methods", ()).plugins["mine"], Method)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"pathway": {"scale_inti": 1.0}}, "pathway: 'scale_inti' is none of layers, granularity, scale_init, scale_trainable, "),
        ({"pathway": {"scale_init": "one"}}, "1 validation error for PathwayConfig scale_init "),
        ({"rivals": ("mixing",)}, "rivals: 'mixing' is none of lora_rank, "),
        ({"tunings": ()}, "tunings: 'none' is none of full, fix"),
        ({"tunings": ("fixed",)}, "tunings: 'fixed' is none of full, fix"),
        ({"kind": "controls"}, "kind: 'controls' is none of reference, claim, control, rival"),
        ({"takes": "some"}, "takes: 'some' is none of nothing, each, random, own, no_modality, all"),
        ({"control": "nobody"}, "control: 'nobody' is none of "),
        ({"lineage": "none"}, "lineage: 'none' is none of same, apart, None"),
        ({"actions": None}, "rank must be a whole number, description a text, and actions a function"),
    ],
)
def test_a_method_that_declares_what_does_not_exist_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], sentence: str
) -> None:
    """A misspelt key of `pathway` would leave the value that a study says."""
    monkeypatch.delitem(sys.modules, "declares_wrongly", raising=False)
    given = {"kind": "control", "takes": "each", "description": "mine", "rank": 1} | wrong
    actions = "" if "actions" in wrong else ", actions=lambda: None"
    text = f"from m2pt.methods import Method\nMETHOD = Method(**{given!r}{actions})\n"
    plugins.install(site, "one", {"m2pt.methods": {"mine": "declares_wrongly:METHOD"}}, {"declares_wrongly.py": text})
    with pytest.raises(UserError) as caught:
        load(further("m2pt.methods", ()).plugins["mine"], Method)
    assert f"(declares_wrongly: ValueError: {sentence}" in str(caught.value).replace("ValidationError", "ValueError")


SECTION = """
from typing import Literal
from m2pt.config.modalities.section import AugmentSection, InputSection, Wing

class Mine(InputSection):
    {kind}
    @property
    def sample_shape(self): return (1,)

class Changes(AugmentSection):
    kind: Literal["mine"] = "mine"

WING = Wing(Mine, Changes, "sections_of:SPEC")
"""


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("", 'Mine needs the key `kind: Literal["mine"] = "mine"`; correct the plugin, or uninstall it.'),
        ('kind: Literal["image"] = "image"', 'Mine needs the key `kind: Literal["mine"] = "mine"`; correct the plugin'),
        ('kind: Literal["mine"] = "mine"; length: int', "Mine has keys without a default, or whose defaults do not go together"),
    ],
)
def test_the_sections_of_a_modality_must_not_be_taken_for_anothers(
    site: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str
) -> None:
    monkeypatch.delitem(sys.modules, "sections_of", raising=False)
    modules = {"sections_of.py": SECTION.format(kind=kind)}
    plugins.install(site, "one", {"m2pt.modalities": {"mine": "sections_of:WING"}}, modules)
    with pytest.raises(UserError) as caught:
        _of_plugin(further("m2pt.modalities", ()).plugins["mine"])
    assert str(caught.value).startswith(f"the modality 'mine' of the plugin one 1.0: {sentence}")


def test_a_mapping_that_plugins_take_part_in_is_made_once_and_when_it_is_used() -> None:
    made: list[int] = []
    late: Late[int] = Late(lambda: made.append(1) or {"b": 2, "a": 1})
    assert made == []
    assert (late["a"], list(late), len(late), "c" in late) == (1, ["b", "a"], 2, False)
    assert made == [1]


def test_a_study_says_which_plugins_it_needs_and_a_missing_one_is_all_that_is_told() -> None:
    text = "study: x\nplugins: [m2pt-timeseries]\nsweep: {seeds: [0], targets: [timeseries]}\nencoders: {}\n"
    with pytest.raises(UserError) as caught:
        parse_study(text, "x.yaml")
    assert str(caught.value) == (
        "x.yaml:2: plugins[0]: m2pt-timeseries is not installed here, so what it adds is unknown; install it."
    )


LIGHT = """
import json
from m2pt.config import InputsConfig, Study
from m2pt.config.installed import require_plugins
from m2pt.config.schema import SCHEMA, study_schema
from m2pt.config.study_file import parse_study

require_plugins()
text = "study: x\\nencoders: {mae: {kind: mae}}\\nsweep: {seeds: [0], METHODS}\\n"
plain = parse_study(text.replace("METHODS", "targets: [image]"), "x")
assert "timeseries" not in plain.model_dump_json(), "what a study says does not depend on plugins that it does not use"
assert plain.sweep.auxiliaries == ("image", "audio", "point", "video")
study = parse_study(text.replace("METHODS", "targets: [timeseries], methods: [random_signs]"), "x")
changed = study.changed({"inputs.timeseries.patch": 8}, "set").inputs.timeseries
assert (changed.patch, changed.length, changed.counts) == (8, 96, (12,))
assert study.inputs.image == InputsConfig().image
shipped = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
here = study_schema()["$defs"]
assert sorted(here.keys() - shipped.keys()) == ["TimeseriesAugment", "TimeseriesInput"]
assert here["TimeseriesInput"]["properties"]["length"]["description"] == "Steps; a series of another length is resampled."
assert here["InputsConfig"]["properties"]["timeseries"]["description"].startswith("Series of equally many steps")
assert "timeseries" in here["TaskConfig"]["properties"]["modality"]["enum"]
"""


def test_the_sections_of_a_plugin_are_sections_as_any_and_change_no_other_study(tmp_path: Path) -> None:
    points = {
        "m2pt.modalities": {"timeseries": "m2pt_timeseries.section:WING"},
        "m2pt.methods": {"random_signs": "unused:METHOD"},
    }
    plugins.install(tmp_path, "m2pt-timeseries", points, {})
    paths = os.pathsep.join(map(str, [tmp_path, plugins.EXAMPLE, ROOT]))
    done = subprocess.run([sys.executable, "-c", LIGHT], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def command(*arguments: str, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )


@pytest.mark.patient
@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (
            lambda site: plugins.install(site, "other", {"m2pt.modalities": {"mine": "other:WING"}}, {}),
            "the plugins one 1.0 and other 1.0 each add a modality 'mine'; uninstall one of them.",
        ),
        (
            lambda site: (site / "sections_of.py").write_text("1 / 0"),
            "the modality 'mine' of the plugin one 1.0 cannot be imported (sections_of: ZeroDivisionError: division by zero); "
            "repair the plugin, or uninstall it.",
        ),
    ],
)
def test_a_command_ends_with_one_sentence(tmp_path: Path, break_it: Callable[[Path], object], sentence: str) -> None:
    modules = {"sections_of.py": SECTION.format(kind='kind: Literal["mine"] = "mine"')}
    plugins.install(tmp_path, "one", {"m2pt.modalities": {"mine": "sections_of:WING"}}, modules)
    break_it(tmp_path)
    done = command("plan", "--study", str(ROOT / "params.yaml"), site=tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, f"m2pt: {sentence}")


def test_wings_of_m2pt_name_where_the_rest_of_them_is() -> None:
    from m2pt.config import WINGS
    from m2pt.modalities.registry import SPECS

    assert all(isinstance(wing, Wing) for wing in WINGS.values())
    assert {name: spec.section for name, spec in SPECS.items()} == {name: wing.input for name, wing in WINGS.items()}

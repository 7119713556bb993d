"""Registrations: what they hold, that a change is noticed, and which runs are older."""

import json
from pathlib import Path
from typing import Any

import pytest

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.plugins import PluginCode
from m2pt.runs.registration import (
    Registered,
    Registration,
    changed,
    declared,
    digest,
    older,
    read_registration,
    registration_file,
    write_registration,
)

STUDY = """
study: tiny
data: {root: /somewhere/data}
encoders:
  mae: {kind: mae, seed: 0}
  public: {kind: file, paths: {image: /home/someone/weights/image.pt}}
sweep: {seeds: [0, 1], targets: [image, audio]}
"""


def study(text: str = STUDY) -> Study:
    return parse_study(text, "tiny.yaml")


def content(declaring: Study, **changes: Any) -> Registration:
    fields = {
        "study": "tiny",
        "date": "2026-11-26T06:00:00+00:00",
        "question": "Does it help?",
        "contrast": {"methods": ("pathway", "random_auxiliary"), "setting": "pretrained", "tuning": "full", "score": "last"},
        "primary_family": [{"about": "average", "metric": "accuracy", "pairs": ("image from audio",), "share": 0.8}],
        "seeds": declaring.sweep.seeds,
        "encoder_seeds": {"mae": (0,)},
        "smallest_difference": declaring.design.smallest_difference,
        "recipe_version": 3,
        "sweep_id": "12345678",
        "declared": declared(declaring),
        "older_runs": (),
    }
    return Registration.model_validate_json(json.dumps(fields | changes))


def test_what_was_written_is_read_and_a_change_is_noticed(tmp_path: Path):
    path = tmp_path / registration_file(study())
    written = write_registration(path, content(study()))
    assert read_registration(path) == written
    assert written.is_intact
    assert written.hash == digest({key: value for key, value in json.loads(path.read_text()).items() if key != "hash"})
    path.write_text(path.read_text().replace("Does it help?", "Does it harm?"))
    assert not read_registration(path).is_intact
    assert not Registered(read_registration(path)).is_confirmatory
    assert read_registration(tmp_path / "none.json") is None


def test_a_file_that_is_no_registration_is_one_sentence(tmp_path: Path):
    path = tmp_path / "tiny.json"
    path.write_text('{"study": "tiny"}')
    with pytest.raises(UserError, match=r"tiny\.json: is no registration .*; restore the file"):
        read_registration(path)


def test_no_place_of_this_machine_is_in_a_registration():
    assert "/home" not in json.dumps(declared(study()))
    assert "/somewhere" not in json.dumps(declared(study()))
    assert declared(study())["encoders.public.paths.image"] == "image.pt"


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("", "", []),
        ("/somewhere", "/elsewhere", []),
        ("[0, 1]", "[0, 1, 2]", ["sweep.seeds"]),
        ("[image, audio]", "[image]", ["sweep.targets"]),
        ("sweep:", "design: {smallest_difference: 1.0}\nsweep:", ["design.smallest_difference"]),
        ("sweep:", "finetune: {epochs: 2, samples: 7}\nsweep:", ["finetune.epochs", "finetune.samples"]),
        ("sweep:", "execution: {slots: 1}\nsweep:", []),
    ],
)
def test_keys_that_changed_since_are_named(tmp_path: Path, old: str, new: str, keys: list[str]):
    registration = write_registration(tmp_path / "tiny.json", content(study()))
    assert changed(registration, study(STUDY.replace(old, new))) == keys
    assert Registered(registration, tuple(keys)).is_confirmatory == (not keys)


def test_a_sequential_design_may_add_seeds_and_nothing_else(tmp_path: Path):
    sequential = STUDY + "design: {seeds: sequential, planned: 8}"
    registration = write_registration(tmp_path / "tiny.json", content(study(sequential)))
    assert changed(registration, study(sequential.replace("[0, 1]", "[0, 1, 2]"))) == []
    assert changed(registration, study(sequential.replace("[0, 1]", "[0, 2]"))) == ["sweep.seeds"]
    assert changed(registration, study(sequential.replace("planned: 8", "planned: 9"))) == ["design.planned"]


def test_the_code_of_a_plugin_that_changed_since_is_named():
    code = PluginCode(distribution="m2pt-mine", package="mine", version="1.0", sha256="a" * 64)
    registration = content(study(), declared=declared(study(), [code]))
    assert changed(registration, study(), [code]) == []
    assert changed(registration, study(), [code.model_copy(update={"sha256": "b" * 64})]) == ["plugins.mine"]
    assert changed(registration, study()) == ["plugins.mine"]


def test_runs_are_older_if_they_are_named_or_began_before(tmp_path: Path):
    registration = write_registration(tmp_path / "tiny.json", content(study(), older_runs=["a", "x-s0"]))
    times = {
        "a": [],
        "b": ["2026-11-26T05:59:59+00:00"],
        "c": ["2026-11-26T07:30:00+01:00"],
        "d": ["2026-11-26T06:30:00+01:00"],
        "e": [""],
        "x-s0-12345678": [],
    }
    assert older(registration, times.items()) == ["a", "b", "d", "x-s0-12345678"]

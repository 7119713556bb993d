"""`m2pt check` names every fault of a study file at its line and column, and says what its study would cost.

In the broken files below, ▲ stands before each key or value that a fault is about; it is not part of the file.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from m2pt.config.lines import place_in
from pipelines.__main__ import main
from pipelines.planning.plan import resolve
from pipelines.planning.study_file import load
from tests.pipelines.commands.test_cli import STUDY, complete
from tests.pipelines.planning.test_refused_runs import encoder

SMALL = """study: tiny
data: {root: made, embedded: {pretrain: 40, train: 40, val: 20, test: 20}}
encoders:
  mae: {kind: mae}
pretrain: {mae: {steps: 10, warmup_steps: 2}}
finetune:
  samples: 20
  epochs: 2
sweep:
  seeds: [0, 1]
  targets: [image]
  auxiliaries: [audio]
  methods: [baseline, pathway]
"""

FILES = """study: toy
data: {root: data}
model: {width: 32, depth: 2, heads: 2}
encoders:
  published:
    kind: file
    paths:
      image: weights/image.pth
      audio: weights/audio.pth
tasks:
  toy:
    modality: image
    dataset: imagenet
    path: pictures
    recipes: {full: mae-finetune}
    input: {size: 32, patch: 8}
    finetune: {batch_size: 6, epochs: 1, warmup_epochs: 0.0}
sweep:
  seeds: [0]
  targets: [toy]
  auxiliaries: [audio]
  methods: [baseline, pathway]
  target_encoder: published
  auxiliary_encoder: published
execution: {devices: cpu}
"""


def small(*changes: str) -> str:
    return changed(SMALL, *changes)


def changed(text: str, *changes: str) -> str:
    """The text with changes `OLD -> NEW`, or with a line more at its end."""
    for change in changes:
        old, arrow, new = change.partition(" -> ")
        assert not arrow or old in text
        text = text.replace(old, new) if arrow else f"{text}{change}\n"
    return text


BROKEN: dict[str, tuple[str, list[str]]] = {
    # The text
    "a tab": (small("  samples -> ▲\tsamples"), ["is indented by a tab"]),
    "a bracket": (small("[0, 1] -> ▲[0, 1"), ["is not valid YAML: the list that [ opens here is not closed"]),
    "a quotation mark": (small("made -> ▲'made"), ["is not valid YAML: the quotation mark that opens here is never closed"]),
    "a colon": (small("epochs: 2 -> epochs: 2▲: 3"), ["is not valid YAML: a colon too many"]),
    "a column": (small("  epochs ->  ▲epochs"), ["is not valid YAML: this does not go with the lines before it"]),
    "no value": (small("epochs: 2 -> epochs: ▲@"), ["is not valid YAML: no value begins with @"]),
    "brackets in brackets": (f"study: {'[' * 50}▲[", ["is not valid YAML: more than 50 brackets are open"]),
    "a key twice": (small("  epochs ->   ▲samples: 3\n  epochs"), ["the key 'samples' is set twice"]),
    "a truth value": (small("epochs: 2 -> compiled: ▲on"), ["on means different things to readers"]),
    "an octal number": (small("epochs: 2 -> epochs: ▲010"), ["010 means different things to readers"]),
    "a tag": (small("[image] -> ▲!!seq [image]"), ["the tag !!seq changes what its value means"]),
    "a merge key": (small("  epochs: 2 ->   ▲<<: {epochs: 2}"), ["merge keys (<<) are not part of YAML 1.2"]),
    "an anchor twice": (small("[0, 1] -> &a [0, 1]", "[audio] -> ▲&a [audio]"), ["the anchor &a is defined twice"]),
    "no anchor": (small("[0, 1] -> ▲*seeds"), ["is not valid YAML: no anchor &seeds comes before *seeds"]),
    "a hidden character": (small("tiny -> t▲\x07iny"), ["contains the character U+0007"]),
    "after hidden characters": (
        small("{kind: mae} -> {▲\x07kind: mae, ▲\x07▲sede: 0}"),
        ["contains the character U+0007", "contains the character U+0007", "encoders.mae.sede: unknown key; did you mean seed?"],
    ),
    "two documents": (small("▲---", "study: two"), ["a second document begins here"]),
    "a list": ("▲- study: tiny\n", ["a study file is a mapping of sections, but this one is a list."]),
    "nothing": ("▲", ["a study file is a mapping of sections, but this one is empty."]),
    # Single values
    "an unknown key": (small("epochs -> ▲epoch"), ["finetune.epoch: unknown key; did you mean epochs?"]),
    "an unknown section": (small("▲modle: {width: 32}"), ["modle: unknown key; did you mean model?"]),
    "a key of a section": (small("▲epochs: 3"), ["epochs: unknown key; did you mean finetune.epochs?"]),
    "a text for a number": (small("epochs: 2 -> ▲epochs: many"), ["finetune.epochs: must be a whole number above 0"]),
    "a bound": (small("pretrain: 40 -> ▲pretrain: -4"), ["data.embedded.pretrain: must be a whole number above 0 (got -4)"]),
    "a choice in a list": (small("pathway] -> ▲pathwy]"), ['sweep.methods[1]: "pathwy" is unknown; did you mean pathway?']),
    "a number in quotes": (small('[0, 1] -> [0, ▲"1"]'), ["sweep.seeds[1]: must be a whole number from 0 on"]),
    "a name": (small("study: tiny -> ▲study: Tiny Study"), ["study: must be a name"]),
    "a number for a section": (small("▲model: 3"), ["model: must be a section"]),
    "a missing section": (f"▲{SMALL.partition('sweep')[0]}", ["sweep: is missing"]),
    "a missing kind": (small("mae: {kind: mae} -> ▲mae: {seed: 1}"), ["encoders.mae.kind: is missing; give one of mae,"]),
    "an unknown kind": (small("{kind: mae} -> {▲kind: mea}"), ["encoders.mae.kind: must be one of mae,"]),
    # Values together
    "a width of no heads": (small("model: {▲width: 10, heads: 4}"), ["model.width: 10 must be a multiple of heads (4)."]),
    "a seed twice": (small("seeds: [0, 1] -> ▲seeds: [0, 0]"), ["sweep.seeds: must not repeat a value"]),
    "an unknown target": (small("[image] -> [image, ▲smell]"), ["sweep.targets[1]: there is no task or modality named 'smell'"]),
    "an unknown encoder": (small("  ▲target_encoder: mea"), ["sweep.target_encoder: there is no encoder named 'mea'"]),
    "a key of a part": (small("parts:", "  - {name: a, set: {▲finetune.lr: 2}}"), ["parts.a.set.finetune.lr: unknown key"]),
    "a part twice": (small("parts:", "  - {name: a}", "  - {▲name: a}"), ["parts[1].name: two parts are named 'a'"]),
    "a range": (
        small("search: {trials: 2, seeds: [7], ranges: {pathway.scale_init: {▲low: 2, high: 1}}}"),
        ["search.ranges.pathway.scale_init.low: "],
    ),
    # Runs that cannot be made, and keys that change none
    "a key that nothing reads": (small("rivals: {▲lora_rank: 3}"), ["rivals.lora_rank: changes no run of this study"]),
    "an encoder that nothing loads": (
        small("  mae: {kind ->   ▲other: {kind: mae}\n  mae: {kind"),
        ["encoders.other: changes no run"],
    ),
    "small data": (small("test: 20 -> ▲test: 5"), ["data.embedded.test: 5"]),
    "a path that is missing": (
        changed(FILES, "    paths:\n      image: weights/image.pth\n ->     ▲paths:\n"),
        ["encoders.published.paths.image: is missing, but the sweep uses this encoder"],
    ),
    "an unknown recipe": (
        changed(FILES, "{full: mae-finetune} -> {▲full: mae-fintune}"),
        ["tasks.toy.recipes.full: there is no recipe 'mae-fintune'"],
    ),
    "a value of a recipe": (
        changed(FILES, "batch_size: 6 -> ▲batch_size: 0"),
        ["tasks.toy.finetune.batch_size: must be a whole"],
    ),
    # Files
    "no weights": (
        changed(FILES, "image: weights/image.pth -> ▲image: weights/none.pth"),
        ["encoders.published.paths.image: weights/none.pth does not exist"],
    ),
    "no file of weights": (
        changed(FILES, "audio: weights/audio.pth -> ▲audio: toy.yaml"),
        ["encoders.published.paths.audio: toy.yaml: is not a file of weights"],
    ),
    "weights that do not fit": (
        changed(FILES, "patch: 8 -> patch: 4", "image: weights -> ▲image: weights"),
        ["encoders.published.paths.image: weights/image.pth: "],
    ),
    "weights of another depth": (
        changed(FILES, "depth: 2 -> depth: 3", "image: w -> ▲image: w", "audio: w -> ▲audio: w"),
        ["encoders.published.paths.image: weights/image.pth: ", "encoders.published.paths.audio: weights/audio.pth: "],
    ),
    "no data": (changed(FILES, "path: pictures -> ▲path: photos"), ["tasks.toy.path: there is no folder data/photos"]),
    "no data of a modality": (
        small("data: {root: made, embedded: {pretrain: 40, train: 40, val: 20, test: 20}} -> data: {▲▲root: none}"),
        ["data.root: there is no folder none/image", "data.root: there is no folder none/audio"],
    ),
    # Runs that cannot start
    "too many samples": (
        small("samples: 20 -> ▲samples: 50"),
        ["finetune.samples: 50 requested, but the train split of image has 40"],
    ),
    "too many samples in a part": (
        small("parts:", "  - {name: a}", "  - {name: more, set: {▲finetune.samples: 50}}"),
        ["parts.more.set.finetune.samples: 50 requested, but the train split of image has 40; lower it or add data (4 of 10"],
    ),
    "a setting for tasks": (small("  epochs ->   ▲repeats: 2\n  epochs"), ["finetune.repeats: changes no run"]),
    "a head": (changed(FILES, "epochs: 1 -> epochs: 1, ▲head: upernet"), ["tasks.toy.finetune.head: upernet is not for"]),
    "a large batch": (
        changed(FILES, "batch_size: 6 -> ▲batch_size: 10"),
        ["tasks.toy.finetune.batch_size: 10 is more than the 8"],
    ),
    "too many steps of warm-up": (small("warmup_steps: 2 -> ▲warmup_steps: 30"), ["pretrain.mae.warmup_steps: 30 are more than"]),
    "a model for another machine": (
        small("▲model: {width: 4000000, depth: 40, heads: 4}"),
        ["model: 40 blocks of width 4000000"],
    ),
    # Several at once
    "all kinds": (
        small(
            "tiny -> ▲\x07tiny",
            "made -> made, ▲rooot: x",
            "{kind: mae} -> {kind: mae, ▲seed: yess}",
            "epochs: 2 -> epochs: ▲0x_2",
            "[image] -> [▲smell]",
            "rivals: {▲mixx: 0.3}",
            "parts:",
            "  - {name: a, set: {▲pathway.x.y: 1}}",
        ),
        [
            "contains the character U+0007",
            "data.rooot: unknown key",
            "encoders.mae.seed: must be a whole number",
            "0x_2 means",
            "sweep.targets[0]: there is no task",
            "rivals.mixx: unknown key",
            "parts.a.set.pathway.x.y: there is no section",
        ],
    ),
    "files and values": (
        changed(
            FILES,
            "data: {root: data} -> data: {root: data, ▲embeded: null}",
            "image: weights/image -> ▲image: weights/none",
            "path: pictures -> ▲path: photos",
            "{batch_size: 6, epochs: 1 -> {▲head: upernet, epochs: 1",
            "warmup_epochs: 0.0 -> ▲warmup_epochs: 3.0",
            "rivals: {▲adapter_width: 3}",
        ),
        [
            "data.embeded: unknown key",
            "encoders.published.paths.image: weights/none.pth does not exist",
            "tasks.toy.path: there is no folder data/photos",
            "tasks.toy.finetune.head: upernet is not for classification",
            "tasks.toy.finetune.warmup_epochs: 3 must be less than the 1 epochs",
            "rivals.adapter_width: changes no run",
        ],
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small pictures in ImageNet's layout and with weights."""
    folder = tmp_path_factory.mktemp("published")
    for split, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("n01", "n02")):
            for number in range(count):
                path = folder / f"data/pictures/{split}/{name}/{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 40), (label * 200, 20 * number, 50)).save(path)
    encoder(folder / "weights/image.pth", 3, 8, 16)
    encoder(folder / "weights/audio.pth", 1, 16, 512)
    return folder


def test_the_broken_files_are_many():
    assert len(BROKEN) >= 40


@pytest.mark.parametrize("case", BROKEN)
def test_every_fault_is_told_at_its_line_and_column(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
):
    monkeypatch.chdir(published)
    marked, sentences = BROKEN[case]
    pieces = marked.split("▲")
    text = "".join(pieces)
    places = [place_in(text, len("".join(pieces[:count]))) for count in range(1, len(pieces))]
    Path("toy.yaml").write_text(text, encoding="utf-8")
    assert main(["check", "toy.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = [line for line in captured.out.splitlines() if not line.startswith("  ")]
    expected = [f"toy.yaml:{place.line}:{place.column}: {sentence}" for place, sentence in zip(places, sentences, strict=True)]
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=False)] == expected
    assert len(lines) == len(expected)


def test_a_file_without_faults_is_told_with_its_cost(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("tiny.yaml").write_text(SMALL)
    assert main(["check", "tiny.yaml"]) == 0
    first, *cost = capsys.readouterr().out.splitlines()
    assert first == "tiny.yaml: nothing is wrong."
    assert [line.split()[:2] for line in cost[:2]] == [["encoders", "2"], ["runs", "4"]]
    assert [line.split()[0] for line in cost[2:]] == ["slots", "cost"]
    assert "unknown until every method has a complete run" in cost[3], "no run was done yet"


def test_the_time_is_that_of_the_runs_so_far(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("params.yaml").write_text(STUDY)
    Path("build/small/image").mkdir(parents=True)
    Path("build/small/image/one.txt").write_text("1")
    for spec in resolve(load("params.yaml")).runs[:2]:
        complete(spec, 7.0)
    assert main(["plan", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert main(["check", "params.yaml", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["faults"] == []
    cost = told["cost"]
    assert (cost["runs"], cost["left"]) == (4, 2)
    assert cost["estimated_seconds"] == planned["estimated_seconds"] == pytest.approx(14.0 / len(cost["slots"]))
    assert cost["gpu_hours"] is None


def test_the_hours_of_published_data_are_counted(published: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(published)
    Path("toy.yaml").write_text(FILES)
    assert main(["check", "toy.yaml"]) == 0
    assert re.search(r"^  hours     about \d+ on a GPU$", capsys.readouterr().out, re.MULTILINE)


def test_damaged_data_are_told_at_the_key_of_their_folder(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("params.yaml").write_text(STUDY)
    Path("build/small/image").mkdir(parents=True)
    Path("build/small/image/one.txt").write_text("1")
    sizes = {"seed": 0, "pretrain": 20, "train": 20, "val": 20, "test": 20}
    Path("build/small/embedded.json").write_text(json.dumps({"image": {"sizes": sizes, "sha256": "0" * 64}}))
    assert main(["check", "params.yaml"]) == 2
    first, *cost = capsys.readouterr().out.splitlines()
    assert first.startswith("params.yaml:3:8: data.root: build/small/image: a file in it is not as it was made")
    assert len(cost) == 4


def test_json_has_the_place_and_the_key_of_each_fault(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("one.yaml").write_text(small("epochs -> epoch"))
    Path("two.yaml").write_text("study: [a\n")
    assert main(["check", "one.yaml", "two.yaml", "three.yaml", "--json"]) == 2
    one, two, three = json.loads(capsys.readouterr().out)
    sentence = "finetune.epoch: unknown key; did you mean epochs?"
    assert one == {
        "file": "one.yaml",
        "faults": [{"line": 8, "column": 3, "key": "finetune.epoch", "sentence": sentence}],
        "study": None,
        "cost": None,
    }
    assert [(each["line"], each["column"], each["key"]) for each in two["faults"]] == [(1, 8, None)]
    assert [(each["line"], each["column"]) for each in three["faults"]] == [(None, None)]
    assert three["faults"][0]["sentence"].startswith("cannot be read (No such file")


def test_what_dvc_asks_of_the_default_study_is_told(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("params.yaml").write_text(SMALL)
    Path("dvc.yaml").write_text("stages: {sweep: {cmd: x, params: [rivals]}}\n")
    assert main(["check", "params.yaml"]) == 2
    assert capsys.readouterr().out.startswith(
        "params.yaml:1:1: DVC compares keys as they are written, but some are left out; add rivals"
    )


def test_nothing_is_written_but_what_is_remembered_of_files(published: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(published)
    Path("toy.yaml").write_text(changed(FILES, "image: weights/image.pth -> image: weights/none.pth"))

    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in sorted(Path().rglob("*")) if ".m2pt" not in path.parts}

    before = files()
    assert main(["check", "toy.yaml"]) == 2
    assert files() == before


def test_as_a_process_there_is_no_traceback_for_files_that_are_none(project: Path):
    Path("folder.yaml").mkdir()
    Path("bytes.yaml").write_bytes(b"\xff\xfe\x00")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "check", "folder.yaml", "bytes.yaml"], capture_output=True, text=True, cwd=project
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[::2] == [
        "folder.yaml: cannot be read (Is a directory); give the path of a study file.",
        "bytes.yaml: is not a text file in UTF-8; a study file is YAML.",
    ]

"""A key that changes no run of a study is refused by name; one that changes a run, or claims nothing, is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2pt.config import UserError
from m2pt.config.study_file import parse_study
from pipelines.__main__ import main
from pipelines.planning import study_file

ROOT = Path(__file__).parents[4]
FILES = {path.stem: path for path in (ROOT / "params.yaml", *sorted((ROOT / "studies").glob("*.yaml")))}
Edit = Callable[[dict[str, Any]], object]


def edited(name: str, edit: Edit) -> str:
    document = yaml.safe_load(FILES[name].read_text(encoding="utf-8"))
    edit(document)
    return yaml.safe_dump(document)


def refusal(name: str, edit: Edit) -> str:
    """What is said of a study file with a change; empty where nothing is."""
    try:
        study_file.check(parse_study(edited(name, edit), name), name)
    except UserError as error:
        lines = str(error).splitlines()[1 if " faults:\n" in str(error) else 0 :]
        assert all(line.startswith(name) and line.endswith(".") for line in map(str.strip, lines))
        return str(error)
    return ""


def part(**changes: object) -> Edit:
    """One more part; `__` stands for a dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return lambda study: study.setdefault("parts", []).append({"name": "extra", "set": keys})


def search(study: dict[str, Any], key: str, method: str = "pathway", **range_: object) -> None:
    ranges = {key: range_ or {"low": 0.1, "high": 0.5}}
    study["search"] = {"trials": 2, "seeds": [100], "method": method, "ranges": ranges}


def sections(**values: object) -> Edit:
    return lambda study: study.update(values)


def alone(task: str, *, sweep: dict[str, Any] | None = None, **values: object) -> Edit:
    """The paper's study with one task, no parts and one more change in the task."""

    def edit(study: dict[str, Any]) -> None:
        study.pop("parts")
        study["execution"].pop("micro_batch_of")
        study["encoders"] = {"published": study["encoders"]["published"]}
        study["tasks"] = {task: study["tasks"][task]}
        study["tasks"][task]["recipes"].pop("fix", None)
        study["tasks"][task].update(values)
        study["sweep"].update({"targets": [task], "auxiliaries": ["audio", "point", "video", "image"], **(sweep or {})})

    return edit


@pytest.mark.parametrize("name", FILES)
def test_every_study_that_comes_with_the_project_is_accepted(name: str):
    assert refusal(name, lambda study: None) == ""


IGNORED: dict[str, tuple[str, Edit, tuple[str, ...]]] = {
    "training of tasks": (
        "paper",
        sections(finetune={"learning_rate": 5.0}),
        ("paper: finetune.learning_rate: changes no run", "write tasks.<name>.finetune.learning_rate", "imagenet", "kinetics400"),
    ),
    "a value that the runs have anyway": ("paper", sections(finetune={"weight_decay": 0.05}), ("finetune.weight_decay",)),
    "form of the samples of tasks": (
        "paper",
        sections(inputs={"image": {"size": 32}}),
        ("inputs.image.size", "write tasks.<name>.input.size", "ade20k, coco, imagenet"),
    ),
    "part": ("paper", part(finetune__learning_rate=9.0), ("parts.extra.set.finetune.learning_rate", "part extra")),
    "part of another tuning": (
        "paper",
        part(sweep__tunings=["fix"], tasks__imagenet__finetune__layer_decay=0.5),
        ("parts.extra.set.tasks.imagenet.finetune.layer_decay", "fix"),
    ),
    "part without its method": (
        "paper",
        part(sweep__methods=["baseline"], pathway__order="reversed"),
        ("parts.extra.set.pathway.order", "none of its methods joins weights"),
    ),
    "part with encoders of its own": ("ablations", part(encoders__mae__steps=5), ("parts.extra.set.encoders.mae.steps",)),
    "part with other pretraining": ("ablations", part(pretrain__mae__steps=5), ("parts.extra.set.pretrain.mae.steps",)),
    "part with data of its own": ("ablations", part(data__root="elsewhere"), ("parts.extra.set.data.root",)),
    "part with a task's data": ("paper", part(tasks__imagenet__path="x"), ("parts.extra.set.tasks.imagenet.path",)),
    "part with a design of its own": (
        "ablations",
        lambda study: (study.update(design={"smallest_difference": 1.0}), part(design__smallest_difference=2.0)(study)),
        ("parts.extra.set.design.smallest_difference", "the design is that of the complete study"),
    ),
    "part executed otherwise": ("ablations", part(execution__slots=1), ("parts.extra.set.execution.slots",)),
    "part whose target has no such recipe": (
        "paper",
        part(sweep__targets=["imagenet", "ade20k"], sweep__tunings=["fix"]),
        ("parts.extra.set.sweep.targets: ade20k", "only has recipes for full"),
    ),
    "search of a task's training": (
        "paper",
        lambda study: (alone("imagenet")(study), search(study, "finetune.learning_rate")),
        ("search.ranges.finetune.learning_rate", "tasks.<name>.finetune.learning_rate"),
    ),
    "search of what the method fixes": (
        "params",
        lambda study: (study["sweep"]["methods"].append("fixed_scale"), search(study, "pathway.scale_init", "fixed_scale")),
        ("search.ranges.pathway.scale_init", "fixed_scale sets it itself"),
    ),
    "rival's key": ("params", lambda study: study["rivals"].update(lora_rank=4), ("rivals.lora_rank", "only lora reads it")),
    "another rival's key": (
        "params",
        lambda study: (study["rivals"].update(mix=0.2), study["sweep"]["methods"].append("adapters")),
        ("rivals.mix", "only interpolation, rebasin_interpolation and task_arithmetic read it"),
    ),
    "pathway": (
        "params",
        lambda study: (
            study["sweep"].update(methods=["baseline"], auxiliary_encoder="random"),
            study["encoders"].pop("mae+labels"),
            study["pathway"].update(order="reversed"),
        ),
        ("pathway.order", "none of its methods joins weights"),
    ),
    "fixed scales' rate": (
        "params",
        lambda study: study["pathway"].update(scale_init=0.1, scale_trainable=False),
        ("pathway.granularity: changes", "pathway.scale_lr_multiple: changes"),
    ),
    "modality that is not there": (
        "search",
        lambda study: study["inputs"]["video"].update(frames=4),
        ("inputs.video.frames", "no run has the target video, and no encoder of that modality is pretrained"),
    ),
    "pretraining that is not done": (
        "params",
        lambda study: (
            study["encoders"].pop("mae+labels"),
            study["sweep"].update(auxiliary_encoder="mae", methods=["baseline", "pathway"]),
            study["pretrain"]["labels"].update(steps=3),
        ),
        ("pretrain.labels.steps", "no encoder of kind labels"),
    ),
    "steps that every encoder has": (
        "params",
        lambda study: study["encoders"]["mae"].update(steps=9),
        ("pretrain.mae.steps", "write encoders.<name>.steps"),
    ),
    "published form of encoders made here": (
        "params",
        lambda study: (
            study["inputs"]["video"].update(form="published"),
            study["encoders"].pop("mae+labels"),
            study["sweep"].update(targets=["image"], auxiliary_encoder="mae", methods=["baseline", "pathway"]),
        ),
        ("inputs.video.form", "shared form"),
    ),
    "a way to combine seeds of which encoders have one": (
        "smoke",
        lambda study: study["sweep"].update(encoder_seeds="crossed"),
        ("sweep.encoder_seeds", "none of its encoders has several `seeds`"),
    ),
    "encoder": ("params", lambda study: study["encoders"].update(spare={"kind": "mae"}), ("encoders.spare", "no run loads it")),
    "reading of a file that is not loaded": (
        "paper",
        lambda study: (
            alone("imagenet")(study),
            study["sweep"].update(auxiliaries=["audio"]),
            study["encoders"]["published"].update(reading={"point": {"weights": "ema"}}),
        ),
        ("encoders.published.reading.point",),
    ),
    "task": ("paper", lambda study: study["tasks"].update(spare=study["tasks"]["imagenet"]), ("tasks.spare",)),
    "recipe": (
        "paper",
        alone("imagenet", recipes={"full": "mae-finetune", "fix": "mae-linear-probe"}),
        ("tasks.imagenet.recipes.fix", "sweep.tunings"),
    ),
    "tuning": ("paper", alone("ade20k", sweep={"tunings": ["full", "fix"]}), ("sweep.tunings: fix", "has a recipe for it")),
    "embedded data": ("paper", lambda study: study["data"].update(embedded={"train": 10}), ("data.embedded",)),
    "auxiliaries": (
        "params",
        lambda study: study["sweep"].update(methods=["baseline", "own_lineage"], auxiliaries=["audio"]),
        ("sweep.auxiliaries",),
    ),
    "auxiliary encoder": ("params", lambda study: study["sweep"].update(methods=["baseline"]), ("sweep.auxiliary_encoder",)),
    "target encoder": (
        "params",
        lambda study: study["sweep"].update(settings=["scratch"], target_encoder="mae+labels"),
        ("sweep.target_encoder", "sweep.settings"),
    ),
    "augmentation of small data": (
        "params",
        lambda study: study["finetune"].update(augment={"kind": "image", "flip": 0.0}),
        ("finetune.augment.kind, finetune.augment.flip", "small data"),
    ),
    "sampling of small data": (
        "params",
        lambda study: study["finetune"].update(weighted=True, epoch_samples=10, repeats=2, test={"clips": 2}),
        ("finetune.repeats, finetune.weighted, finetune.epoch_samples", "finetune.test.clips"),
    ),
    "warm-up told twice": ("params", lambda study: study["finetune"].update(warmup_epochs=1.0), ("finetune.warmup_steps",)),
    "votes of pictures": ("paper", alone("imagenet", finetune={"test": {"votes": 3}}), ("tasks.imagenet.finetune.test.votes",)),
    "clips of clouds": ("paper", alone("partnet", finetune={"test": {"clips": 3}}), ("tasks.partnet.finetune.test.clips",)),
    "smoothing of a binary loss": (
        "paper",
        alone("audioset", finetune={"label_smoothing": 0.1}),
        ("tasks.audioset.finetune.label_smoothing", "binary cross entropy"),
    ),
    "jitter beside a policy": (
        "paper",
        alone("imagenet", finetune={"augment": {"color_jitter": 0.4}}),
        ("tasks.imagenet.finetune.augment.color_jitter", "policy"),
    ),
    "a task that the part does not train": (
        "paper",
        part(sweep__targets=["imagenet"], tasks__ade20k__finetune__learning_rate=9.0),
        ("parts.", "tasks.ade20k.finetune.learning_rate", "no run has the task ade20k as its target (sweep.targets)"),
    ),
    "a recipe that the part does not train by": (
        "paper",
        part(sweep__targets=["imagenet"], tasks__imagenet__recipes__fix="mae-linear-probe"),
        ("parts.", "tasks.imagenet.recipes.fix", "imagenet is not run with that tuning (sweep.tunings)"),
    ),
    "a whole section of small data": (
        "params",
        lambda study: search(study, "finetune.test", choices=[{"votes": 1}, {"votes": 2}]),
        ("search.ranges.finetune.test", "small data"),
    ),
    "a published tokenizer from an encoder that is made here": (
        "params",
        lambda study: study["inputs"].update(image={"form": "published"}),
        ("inputs.image.form", "sweep.target_encoder (mae)", "kind file"),
    ),
    "a task from an encoder that is made here": (
        "paper",
        lambda study: (alone("imagenet")(study), study.update(encoders={"published": {"kind": "mae"}})),
        ("tasks.imagenet", "sweep.target_encoder (published)", "kind file"),
    ),
    "samples of an epoch": (
        "paper",
        alone("audioset", finetune={"epoch_samples": 100}),
        ("tasks.audioset.finetune.epoch_samples", "weighted"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IGNORED)
def test_what_changes_no_run_is_refused_by_name_with_the_key_to_write_instead(case: str):
    name, edit, told = IGNORED[case]
    said = refusal(name, edit)
    assert [words for words in told if words not in said] == [], said


KEPT: dict[str, tuple[str, Edit]] = {
    "default said again": ("params", lambda study: study["finetune"].update(batch_size=32, decay="cosine")),
    "fewer targets": ("params", lambda study: study["sweep"].update(targets=["image", "audio"], auxiliaries=["image", "audio"])),
    "fewer seeds": ("params", lambda study: study["sweep"].update(seeds=[7, 8, 9, 10])),
    "each seed with each replicate": ("params", lambda study: study["sweep"].update(seeds=[7], encoder_seeds="crossed")),
    "a rival": (
        "params",
        lambda study: (study["sweep"]["methods"].append("lora"), study["rivals"].update(lora_rank=4)),
    ),
    "form of samples that a rival trains with": (
        "params",
        lambda study: (
            study["sweep"].update(
                targets=["image"], auxiliaries=["audio"], methods=["baseline", "joint_training"], auxiliary_encoder="random"
            ),
            [study["inputs"].pop(name) for name in ("point", "video")],
            study["encoders"].pop("mae+labels"),
            [study.pop(name) for name in ("pathway", "rivals")],
            study["pretrain"].pop("labels"),
            study["inputs"]["audio"].update(patch=4),
        ),
    ),
    "another rate": ("params", lambda study: study["finetune"].update(learning_rate=0.002)),
    "a part's rate": ("ablations", part(finetune__learning_rate=0.002)),
    "a value of a recipe's section in a part": ("paper", part(tasks__imagenet__finetune__augment__flip=0.1)),
    "a search of a value of a recipe's section": (
        "paper",
        lambda study: (alone("imagenet")(study), search(study, "tasks.imagenet.finetune.augment.flip")),
    ),
    "a binary loss": (
        "params",
        lambda study: (study["finetune"].pop("label_smoothing"), study["finetune"].update(loss="binary_cross_entropy")),
    ),
    "a part's whole section": ("ablations", part(pathway={"order": "reversed"})),
    "a task's rate in a part": ("paper", part(tasks__imagenet__finetune__learning_rate=0.002)),
    "a value that one part alone reads": ("paper", part(sweep__targets=["imagenet"], pathway__scale_lr_multiple=3.0)),
    "a search": ("params", lambda study: search(study, "pathway.scale_init")),
    "a search of a task": (
        "paper",
        lambda study: (alone("imagenet")(study), search(study, "tasks.imagenet.finetune.learning_rate")),
    ),
    "paths of encoders": ("params", lambda study: study["data"].update(root="elsewhere")),
    "one more path": ("paper", alone("imagenet", sweep={"auxiliaries": ["audio"]})),
    "views of videos": ("paper", alone("kinetics400", finetune={"test": {"clips": 2}})),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_changes_a_run_or_claims_nothing_is_accepted(case: str):
    name, edit = KEPT[case]
    assert refusal(name, edit) == ""


@pytest.mark.parametrize("command", ["plan", "status", "study", "search", "sweep", "pretrain", "report", "publish", "data"])
def test_every_command_refuses(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(edited("params", lambda study: study["rivals"].update(mix=0.3)))
    assert main([command, "--study", "one.yaml"]) == 2
    assert "m2pt: one.yaml:106: rivals.mix: changes no run of this study" in capsys.readouterr().err

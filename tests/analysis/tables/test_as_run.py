"""The settings of a study as its runs have them."""

from pathlib import Path

from m2pt.analysis.tables.as_run import scored_weights, settings, sources, starts
from m2pt.config import MODALITIES
from m2pt.config.study_file import load_study, parse_study
from pipelines.planning.grid import part_specs, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints

ROOT = Path(__file__).parents[3]

TASKS = """
study: tasks
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth}}}
model: {width: 24, depth: 2, heads: 2}
tasks:
  toy:
    modality: image
    dataset: imagenet
    path: t
    recipes: {full: mae-finetune, fix: mae-linear-probe}
    finetune: {score: best_val, epochs: 7}
    holdout: 0.1
sweep: {seeds: [0, 1], targets: [toy], auxiliaries: [audio], methods: [baseline, pathway], tunings: [full, fix],
        target_encoder: published, auxiliary_encoder: published}
"""


def test_a_tasks_settings_are_those_of_its_recipes():
    study = parse_study(TASKS, "tasks.yaml")
    parts = part_specs(study, Fingerprints({"toy": "t"}, {}))
    shown = settings(study, parts, [])
    full, fix = shown["training"]
    assert (full["recipe"], full["targets"], full["tunings"]) == ("mae-finetune", ["toy"], ["full"])
    # MAE's fine-tuning of ViT-B (arXiv 2111.06377, table 9, and Multimodal Pathway's own rate), with what the task changes.
    wanted = {"learning_rate": 5e-4, "learning_rate_per": 256, "batch_size": 1024, "layer_decay": 0.65, "mixup": 0.8}
    assert {key: full["finetune"][key] for key in wanted} == wanted
    assert (full["finetune"]["epochs"], full["finetune"]["score"], full["input"]["size"]) == (7, "best_val", 224)
    assert (fix["recipe"], fix["finetune"]["optimizer"], fix["finetune"]["learning_rate"]) == ("mae-linear-probe", "lars", 0.1)
    assert "warmup_steps" not in full["finetune"], "epochs stand in for it"
    assert "layer_decay" not in fix["finetune"], "nothing is there for it to slow"
    assert "finetune" not in shown and "inputs" not in shown, "no run has these of the file"
    assert scored_weights(parts[""]) == "the weights with the best validation score (best_val)"


def test_runs_that_differ_in_what_is_tested_are_told_apart():
    text = TASKS.replace("targets: [toy]", "targets: [toy, image]").replace("tunings: [full, fix]", "tunings: [full]")
    study = parse_study(text, "tasks.yaml")
    specs = run_specs(study, Fingerprints({"toy": "t", "image": "i"}, {}))
    assert scored_weights(specs) == (
        "the weights with the best validation score (best_val: toy full) or of the last epoch's weights (last: image full)"
    )


def test_parts_show_what_each_of_them_has():
    study = load_study(ROOT / "studies" / "ablations-settings.yaml")
    prints = Fingerprints(dict.fromkeys(MODALITIES, "d"), {})
    shown = settings(study, part_specs(study, prints), pretrain_specs(study, prints))
    quarter = [form for form in shown["training"] if form["finetune"]["samples"] == 125]
    assert {tuple(form["parts"]) for form in quarter} == {("quarter",)}
    assert {form["targets"][0] for form in quarter} == set(MODALITIES)
    specs = run_specs(study, prints)
    assert sources(specs) == (["mae", "random"], ["mae+labels", "random", "mae+labels-25", "mae+labels-100"])
    assert "0.0001 (pathway, random_auxiliary)" in starts(specs) and starts(specs).startswith("scales λ start at 0 (")
    steps = {form["pretrain"]["steps"]: form["sources"] for form in shown["pretraining"]}
    assert steps == {800: ["mae"], 25: ["mae+labels-25"], 100: ["mae+labels-100"], 400: ["mae+labels"]}


def test_rivals_and_encoders_show_what_they_have():
    study = load_study(ROOT / "studies" / "ablations.yaml")
    prints = Fingerprints(dict.fromkeys(MODALITIES, "d"), {})
    shown = settings(study, part_specs(study, prints), pretrain_specs(study, prints))
    assert {form["methods"][0] for form in shown["rivals"]} >= {"adapters", "lora", "interpolation"}
    defaults = [form["rivals"] for form in shown["rivals"] if "orca" in form["methods"]]
    assert defaults == [{"alignment_steps": 40}], "also a default that ids leave out is shown"
    steps = {form["pretrain"]["steps"]: form["sources"] for form in shown["pretraining"]}
    assert steps == {800: ["mae", "noise"], 400: ["mae+labels", "noise+labels", "random-labels"], 1200: ["brackets"]}
    assert sources(run_specs(study, prints))[1] == ["mae+labels", "random", "noise+labels", "random-labels", "brackets"]

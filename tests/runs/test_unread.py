"""What a run is said not to read changes none of its numbers, and everything else changes them: shown by training."""

from pathlib import Path

import pytest
import torch

from m2pt.config import BlocksConfig, FinetuneConfig, PathwayConfig, RivalsConfig, TestConfig, UserError
from m2pt.methods import METHODS, unread
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.folder import MERGED, create_run, read_history
from m2pt.runs.spec import RunSpec
from m2pt.runs.unread import is_unread, leaves
from m2pt.training.finetune import finetune, memory_feed
from m2pt.training.places import Places
from m2pt.training.share import Share
from m2pt.training.stopwatch import Stopwatch
from m2pt.weights.saved import read_weights
from tests.specs import run_spec

OTHER: dict[str, object] = {
    "finetune.batch_size": 8, "finetune.learning_rate": 0.01, "finetune.weight_decay": 0.5, "finetune.warmup_steps": 3,
    "finetune.clip_norm": 0.01, "finetune.samples": 20, "finetune.epochs": 3, "finetune.label_smoothing": 0.3,
    "finetune.drop_path": 0.5, "finetune.augment": False, "finetune.score": "best_val", "finetune.optimizer": "lars",
    "finetune.learning_rate_per": 8, "finetune.layer_decay": 0.3, "finetune.warmup_epochs": 1.0,
    "finetune.final_learning_rate": 5e-4, "finetune.decay": "linear", "finetune.loss": "binary_cross_entropy",
    "finetune.mixup": 0.8, "finetune.cutmix": 1.0, "finetune.head_init_std": 0.5, "finetune.repeats": 2,
    "finetune.blocks": BlocksConfig(layer_scale=0.5), "finetune.mixing_rows": 2, "finetune.replacement": True,
    "finetune.warmup_start": 1e-3,
    "finetune.undecayed": ("class_token",), "pathway.auxiliary_decay": True, "pathway.auxiliary_precision": "bf16",
    "pathway.scale_layer_decay": True,
    "finetune.weighted": True, "finetune.epoch_samples": 16, "finetune.average_decay": 0.5, "finetune.precision": "bf16",
    "finetune.test": TestConfig(clips=2, crops=3, votes=4, stride=5),
    "pathway.layers": ("mlp.fc1",), "pathway.granularity": "head", "pathway.scale_init": 0.3, "pathway.scale_trainable": False,
    "pathway.scale_lr_multiple": 2.0, "pathway.auxiliary_trainable": False, "pathway.order": "reversed",
    "pathway.alignment": "activations", "rivals.matching": "activations",
    "rivals.lora_rank": 2, "rivals.lora_alpha": 3, "rivals.adapter_width": 5, "rivals.mix": 0.7,
    "rivals.attention_weight": 0.5, "rivals.joint_weight": 0.5, "rivals.alignment_steps": 2,
}  # fmt: skip
"""Another value for every key but these."""

ELSEWHERE = ("head", "compiled", "norm_rows", "schedule_by", "schedule_tail", "side_loss", "mapping")
"""They need other models, other machines, or each other, and are refused without them."""

RECIPE = FinetuneConfig(samples=40, epochs=2, batch_size=16, warmup_steps=1, learning_rate=5e-3, drop_path=0.1)


def spec(method: str = "pathway", tuning: str = "full", recipe: FinetuneConfig = RECIPE, **pathway: object) -> RunSpec:
    joined = {**(METHODS[method].pathway or {}), **pathway}
    rival = bool(METHODS[method].rivals)
    return run_spec(
        method=method, tuning=tuning, finetune=recipe, setting="scratch", target_weights=None, auxiliary_weights=None,
        auxiliary="audio" if METHODS[method].takes == "each" else "",
        pathway=PathwayConfig(**{"scale_lr_multiple": 10.0, **joined}) if METHODS[method].pathway is not None else None,
        rivals=RivalsConfig(lora_rank=4, adapter_width=4) if rival else None,
    )  # fmt: skip


def trained(given: RunSpec, folder: Path) -> tuple[list[object], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    classes = ("a", "b", "c", "d")
    samples = Samples(torch.rand(60, 1, 16, 16, generator=generator), torch.arange(60) % 4, classes)
    splits = dict.fromkeys(("train", "val", "test"), samples)
    run_dir = create_run(folder, given)
    record = finetune(given, memory_feed(given, splits, Share()), Places(), run_dir, Stopwatch())
    numbers = [record.epoch, record.test_scores, record.confusion]
    return [*numbers, *(line.get("val/loss") for line in read_history(run_dir))], read_weights(run_dir / MERGED)


def changed(given: RunSpec, key: str) -> RunSpec:
    section, name = key.split(".")
    own = getattr(getattr(given, section), name)
    value = (not own) if isinstance(own, bool) else OTHER[key]
    return given.model_copy(update={section: getattr(given, section).model_copy(update={name: value})})


def differs(one: tuple[list[object], dict[str, torch.Tensor]], two: tuple[list[object], dict[str, torch.Tensor]]) -> bool:
    if one[0] != two[0] or one[1].keys() != two[1].keys():
        return True
    return any(not torch.equal(tensor, two[1][name]) for name, tensor in one[1].items())


SLOWED = RECIPE.model_copy(update={"layer_decay": 0.5})
CASES = {
    "a pathway": spec(),
    "slower layers": spec(recipe=SLOWED),
    "slower layers, only scales and head": spec(tuning="fix", recipe=SLOWED),
    "slower scales, only scales and head": spec(tuning="fix", recipe=SLOWED, scale_layer_decay=True),
    "only scales and head": spec(tuning="fix"),
    "scales that stay": spec(scale_init=0.1, scale_trainable=False),
    "zero scale": spec("zero_scale"),
    "matched parameters": spec("matched_parameters"),
    "warm-up by epochs": spec("baseline", recipe=RECIPE.model_copy(update={"warmup_epochs": 0.5})),
    "binary loss": spec("baseline", recipe=RECIPE.model_copy(update={"loss": "binary_cross_entropy", "label_smoothing": 0.0})),
    "binary loss of mixed pictures": spec(
        "baseline", recipe=RECIPE.model_copy(update={"loss": "binary_cross_entropy", "mixup": 0.8, "label_smoothing": 0.0})
    ),
    "low rank": spec("lora"),
    "adapters": spec("adapters"),
    "interpolation": spec("interpolation"),
    "attention distillation": spec("attention_distillation"),
    "aligned": spec("aligned_pathway"),
    "interpolation of permuted weights": spec("rebasin_interpolation"),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_what_is_said_to_be_unread_changes_nothing(case: str, tmp_path: Path):
    given = CASES[case]
    whole, reasons = trained(given, tmp_path / "as-it-is"), unread(given)
    keys = [
        key
        for section in ("finetune", "pathway", "rivals")
        for key in OTHER
        if key.startswith(section) and getattr(given, section) is not None
        if not (section == "pathway" and key.partition(".")[2] in METHODS[given.method].pathway)
    ]
    for key in keys:
        if key == "finetune.score" or (key.startswith("finetune") and case not in _OF_TRAINING and key not in reasons):
            continue
        said = is_unread(key, reasons) is not None
        try:
            other = trained(changed(given, key), tmp_path / key)
        except UserError:
            continue  # refused aloud where it would not do what it says
        assert differs(whole, other) != said, (key, reasons.get(key))


_OF_TRAINING = ("a pathway", "only scales and head")
"""The cases in which every key of `finetune` is tried; in the others those that are said not to be read."""


def test_every_key_of_a_spec_is_tried():
    names = {key for name in ("finetune", "pathway", "rivals") for key, _ in leaves(getattr(_full(), name), name)}
    tried = {name for name in names if name in OTHER or name.startswith(("finetune.test.", "finetune.blocks."))}
    assert {name.partition(".")[2] for name in names - tried} == set(ELSEWHERE)


def _full() -> RunSpec:
    return spec("interpolation").model_copy(update={"pathway": PathwayConfig()})

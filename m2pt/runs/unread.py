"""Which values of a spec its run does not read: whatever they are, the numbers of the run are the same.

A reader would believe such a value in a study file, so `pipelines.planning.unused_keys` refuses it; a report leaves it out.
"""

from collections.abc import Iterator

from m2pt.config import FinetuneConfig, Frozen, Goal, MaePretrain
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec

Reasons = dict[str, str]
"""Why a run does not read a value, by the dotted key in its spec (`finetune.test.votes`; a section covers everything in it)."""


def unread_whatever_the_method(spec: Spec) -> Reasons:
    """The values that the run of a spec does not read, with the reasons; `m2pt.methods.unread` adds its method's."""
    if isinstance(spec, PretrainSpec):
        return _of_pretraining(spec) | _of_family(spec)
    small = {} if spec.task else _of_small_data(spec)
    return _of_family(spec) | _of_training(spec) | _of_views(spec) | _of_augmentation(spec) | small | _of_pathway(spec)


def is_unread(path: str, reasons: Reasons) -> str | None:
    """Why a value at a dotted path is not read; None if it is."""
    steps = path.split(".")
    return next((reasons[key] for end in range(len(steps), 0, -1) if (key := ".".join(steps[:end])) in reasons), None)


def leaves(section: Frozen, path: str) -> Iterator[tuple[str, object]]:
    """The dotted key and the value of everything in a section, including the sections inside it."""
    for name, value in section:
        if isinstance(value, Frozen):
            yield from leaves(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", value


def _of_pretraining(spec: PretrainSpec) -> Reasons:
    reasons: Reasons = {}
    if not spec.reads_data:
        return {"input": "brackets are not samples of a modality"}
    if isinstance(spec.pretrain, MaePretrain):
        reasons["input.form"] = "an encoder that is pretrained here has the shared form"
    return reasons | _of_small_samples(spec)


def _of_small_samples(spec: Spec) -> Reasons:
    """Keys of the input that have no effect on small data."""
    return {f"input.{key}": reason for key, reason in spec.input.unread_of_small_data.items()}


def _of_family(spec: Spec) -> Reasons:
    """Keys of transformers for a ConvNet, and of ConvNets for a transformer."""
    if spec.model.family == "vit":
        reasons = {"model.stages": "the blocks of a transformer are counted by model.depth"}
        own, why = "maps_only", "transformers see tokens, not maps"
    else:
        reasons = dict.fromkeys(("model.heads", "model.qkv_bias"), "a ConvNet has no attention")
        reasons |= {"model.depth": "the blocks of a ConvNet are those of model.stages"}
        reasons |= {"finetune.blocks": "it adds to the blocks of transformers"}
        own, why = "tokens_only", "a ConvNet sees maps, not tokens"
    beside = spec.auxiliary_data if isinstance(spec, RunSpec) else None
    reasons |= {f"input.{key}": why for key in getattr(spec.input, own)}
    return reasons | {f"auxiliary_data.input.{key}": why for key in getattr(beside.input, own)} if beside else reasons


def _of_training(spec: RunSpec) -> Reasons:
    """Values of a recipe that other values of it, the goal or the tuning make irrelevant."""
    recipe = spec.finetune
    reasons: Reasons = {}
    if recipe.warmup_epochs is not None:
        reasons["finetune.warmup_steps"] = "warmup_epochs replaces it"
    if recipe.decay == "steps":
        reasons["finetune.final_learning_rate"] = "a decay by steps ends at a hundredth of the rate"
    if not recipe.weighted:
        reasons |= dict.fromkeys(("finetune.epoch_samples", "finetune.replacement"), "only `weighted: true` draws samples")
    if not recipe.mixes:
        reasons["finetune.mixing_rows"] = "no rows are mixed (mixup and cutmix are 0)"
    if spec.tuning == "fix" and not (spec.pathway and spec.pathway.scale_layer_decay):
        reasons["finetune.layer_decay"] = "the tuning fix only trains the scales and the head"
    if spec.tuning == "fix":
        positions = ("finetune.blocks.relative_positions", "finetune.blocks.split_positions")
        reasons |= dict.fromkeys(positions, "the tuning fix leaves them at zero")
    if spec.tuning == "fix" or spec.input.form == "shared" or not spec.input.class_token or recipe.weight_decay == 0:
        reasons["finetune.undecayed"] = "no such parameter is trained with weight decay"
    if recipe.head not in ("mean", "class_token"):
        reasons["finetune.head_init_std"] = f"the head {recipe.head} has an initialisation of its own"
    if not _smooths(spec.goal, recipe):
        reasons["finetune.label_smoothing"] = f"the loss of this recipe ({_loss(spec.goal, recipe)}) has no smoothed labels"
    return reasons


def _smooths(goal: Goal, recipe: FinetuneConfig) -> bool:
    """Mixup smooths its labels, whatever the loss; without it, only the cross-entropy of a classification does."""
    mixes = recipe.mixup > 0 or recipe.cutmix > 0
    return mixes or (goal == "classification" and recipe.loss == "cross_entropy")


def _loss(goal: Goal, recipe: FinetuneConfig) -> str:
    return recipe.loss.replace("_", " ") if goal in ("classification", "tagging") else goal.replace("_", " ")


def _of_views(spec: RunSpec) -> Reasons:
    """Each way to test belongs to one kind of data."""
    used = {key for key, goals in spec.input.views.items() if spec.goal in goals}
    return {f"finetune.test.{key}": reason for key, reason in _VIEWS.items() if key not in used}


_VIEWS = {
    "clips": "only videos have several views",
    "crops": "only videos have several views",
    "votes": "only the classification of point clouds has votes",
    "stride": "only scenes have windows",
}
"""Why a run does not read a key of `finetune.test` that does not apply to its samples."""


def _of_augmentation(spec: RunSpec) -> Reasons:
    augment = spec.finetune.augment
    reasons = {} if isinstance(augment, bool) else augment.unread(spec.goal, spec.input.form)
    return {f"finetune.augment.{key}": reason for key, reason in reasons.items()}


def _of_small_data(spec: RunSpec) -> Reasons:
    """Small data have one augmentation; each sample is used once per epoch and tested with one view."""
    what = "it only applies to the data sets of tasks, not to small data"
    reasons: Reasons = dict.fromkeys(
        ("finetune.repeats", "finetune.weighted", "finetune.replacement", "finetune.epoch_samples", "finetune.test"), what
    )
    if not isinstance(spec.finetune.augment, bool):
        reasons["finetune.augment"] = "small data have an augmentation of their own (`augment: true` or `false`)"
    beside = spec.auxiliary_data.input.unread_of_small_data if spec.auxiliary_data else {}
    reasons |= {f"auxiliary_data.input.{key}": reason for key, reason in beside.items()}
    return reasons | _of_small_samples(spec)


def _of_pathway(spec: RunSpec) -> Reasons:
    settings, reasons = spec.pathway, Reasons()
    if settings is None:
        return reasons
    if not settings.scale_trainable:
        reasons["pathway.scale_lr_multiple"] = "the scales are not trained"
        reasons["pathway.granularity"] = "scales that are not trained are all the same"
    if not settings.scale_trainable or spec.finetune.layer_decay == 1:
        reasons["pathway.scale_layer_decay"] = "no layer decay could slow the scales"
    if spec.tuning == "fix":
        reasons["pathway.auxiliary_trainable"] = "the tuning fix only trains the scales and the head"
    if spec.tuning != "fix" and settings.auxiliary_trainable:
        reasons["pathway.auxiliary_precision"] = "auxiliary weights that are trained are kept in fp32"
    if spec.tuning == "fix" or not settings.auxiliary_trainable or spec.finetune.weight_decay == 0:
        reasons["pathway.auxiliary_decay"] = "auxiliary weights are not trained with weight decay"
    if settings.scale_init == 0 and not settings.scale_trainable:
        keys = ("layers", "auxiliary_trainable", "auxiliary_precision", "auxiliary_decay", "order")
        reasons |= {f"pathway.{key}": "scales that stay 0 add nothing" for key in keys}
    return reasons

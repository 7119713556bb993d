"""Which values of a spec its run does not read: they stand in the spec, and whatever they are, its numbers are the same.

A study file that sets such a value would be believed; `pipelines.planning.unused_keys` refuses it, and a report leaves it out.
"""

from collections.abc import Iterator

from m2pt.config import FinetuneConfig, Frozen, Goal, MaePretrain
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec

Reasons = dict[str, str]
"""By the dotted key of a spec (`finetune.test.votes`; a section stands for all in it), why its run does not read it."""


def unread_whatever_the_method(spec: Spec) -> Reasons:
    """The values of a spec that its run does not read, with the reason for each; `m2pt.methods.unread` adds its method's."""
    if isinstance(spec, PretrainSpec):
        return _of_pretraining(spec)
    small = {} if spec.task else _of_small_data(spec)
    return _of_training(spec) | _of_views(spec) | _of_augmentation(spec) | small | _of_pathway(spec)


def is_unread(path: str, reasons: Reasons) -> str | None:
    """Why a value at a dotted path is not read, None where it is."""
    steps = path.split(".")
    return next((reasons[key] for end in range(len(steps), 0, -1) if (key := ".".join(steps[:end])) in reasons), None)


def leaves(section: Frozen, path: str) -> Iterator[tuple[str, object]]:
    """The dotted key and the value of everything in a section, also in the sections inside of it."""
    for name, value in section:
        if isinstance(value, Frozen):
            yield from leaves(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", value


def _of_pretraining(spec: PretrainSpec) -> Reasons:
    found: Reasons = {}
    if isinstance(spec.pretrain, MaePretrain):
        found["input.form"] = "an encoder that is pretrained here has the shared form"
    return found | _of_small_samples(spec)


def _of_small_samples(spec: Spec) -> Reasons:
    """Keys of the input that data read as a whole do not read."""
    return {f"input.{key}": reason for key, reason in spec.input.unread_of_small_data.items()}


def _of_training(spec: RunSpec) -> Reasons:
    """What other values of the recipe, the goal or the tuning make of a recipe's values."""
    recipe = spec.finetune
    found: Reasons = {}
    if recipe.warmup_epochs is not None:
        found["finetune.warmup_steps"] = "warmup_epochs stands in for it"
    if not recipe.weighted:
        found |= dict.fromkeys(("finetune.epoch_samples", "finetune.replacement"), "only `weighted: true` draws samples")
    if not recipe.mixes:
        found["finetune.mixing_rows"] = "no rows are mixed (mixup and cutmix are 0)"
    if spec.tuning == "fix" and not (spec.pathway and spec.pathway.scale_layer_decay):
        found["finetune.layer_decay"] = "the tuning fix trains nothing below the head but the scales"
    if spec.tuning == "fix":
        found["finetune.blocks.relative_positions"] = "the tuning fix leaves them at zero"
    if spec.tuning == "fix" or spec.input.form == "shared" or not spec.input.class_token or recipe.weight_decay == 0:
        found["finetune.undecayed"] = "no such parameter is trained and decayed"
    if recipe.head not in ("mean", "class_token"):
        found["finetune.head_init_std"] = f"the head {recipe.head} has an initialisation of its own"
    if not _smooths(spec.goal, recipe):
        found["finetune.label_smoothing"] = f"the loss of this recipe ({_loss(spec.goal, recipe)}) has no smoothed labels"
    return found


def _smooths(goal: Goal, recipe: FinetuneConfig) -> bool:
    """Mixup smooths the labels that it makes, whatever the loss; cross-entropy smooths those of a classification."""
    mixes = recipe.mixup > 0 or recipe.cutmix > 0
    return mixes or (goal == "classification" and recipe.loss == "cross_entropy")


def _loss(goal: Goal, recipe: FinetuneConfig) -> str:
    return recipe.loss.replace("_", " ") if goal in ("classification", "tagging") else goal.replace("_", " ")


def _of_views(spec: RunSpec) -> Reasons:
    """Each way to test belongs to one kind of data."""
    used = {key for key, goals in spec.input.views.items() if spec.goal in goals}
    return {f"finetune.test.{key}": reason for key, reason in _VIEWS.items() if key not in used}


_VIEWS = {
    "clips": "several views are those of videos",
    "crops": "several views are those of videos",
    "votes": "votes are those of classified clouds",
    "stride": "windows are those of scenes",
}
"""Why a run does not read a key of `finetune.test` that its samples have no use for."""


def _of_augmentation(spec: RunSpec) -> Reasons:
    augment = spec.finetune.augment
    reasons = {} if isinstance(augment, bool) else augment.unread(spec.goal, spec.input.form)
    return {f"finetune.augment.{key}": reason for key, reason in reasons.items()}


def _of_small_data(spec: RunSpec) -> Reasons:
    """Small data are read as a whole, augmented in one way, seen once an epoch and tested with one view."""
    what = "it is for the data sets of tasks, not for small data"
    found: Reasons = dict.fromkeys(
        ("finetune.repeats", "finetune.weighted", "finetune.replacement", "finetune.epoch_samples", "finetune.test"), what
    )
    if not isinstance(spec.finetune.augment, bool):
        found["finetune.augment"] = "small data are augmented in their own way, or not (`augment: true` or `false`)"
    return found | _of_small_samples(spec)


def _of_pathway(spec: RunSpec) -> Reasons:
    settings, found = spec.pathway, Reasons()
    if settings is None:
        return found
    if not settings.scale_trainable:
        found["pathway.scale_lr_multiple"] = "the scales are not trained"
        found["pathway.granularity"] = "scales that are not trained are all the same"
    if not settings.scale_trainable or spec.finetune.layer_decay == 1:
        found["pathway.scale_layer_decay"] = "no layer decay could slow the scales"
    if spec.tuning == "fix":
        found["pathway.auxiliary_trainable"] = "the tuning fix trains the scales and the head alone"
    if spec.tuning == "fix" or not settings.auxiliary_trainable or spec.finetune.weight_decay == 0:
        found["pathway.auxiliary_decay"] = "auxiliary weights are not trained and decayed"
    if settings.scale_init == 0 and not settings.scale_trainable:
        keys = ("layers", "auxiliary_trainable", "auxiliary_decay", "order")
        found |= {f"pathway.{key}": "scales that stay 0 add nothing" for key in keys}
    return found

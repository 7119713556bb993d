"""What prevents a run from starting, judged by its spec: a plan checks before it estimates costs, a job before it trains.

A setting that the code would ignore prevents it too, because the score would be attributed to that setting. A setting that other
settings leave unread (`m2pt.runs.unread`) does not: a study file cannot set it, so it comes from a recipe or a default.
"""

import functools
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from m2pt.config import (
    BlocksConfig,
    FinetuneConfig,
    Goal,
    Head,
    InputConfig,
    Modality,
    ModelConfig,
    TestConfig,
    UserError,
)
from m2pt.methods import METHODS
from m2pt.modalities.registry import SPECS
from m2pt.runs.spec import RunSpec
from m2pt.training.convnets import of_convnet
from m2pt.training.wanted import wanted


@dataclass(frozen=True)
class Means:
    """What a run is executed with: its number and kind of devices, and the maximum number of rows computed at once on each.

    `recomputes` says whether blocks are computed again for their gradients (`execution.gradient_checkpointing`).
    """

    device: str = "cpu"
    devices: int = 1
    micro_batch: int | None = None
    recomputes: bool = False


@dataclass(frozen=True)
class Known:
    """How many samples there are to train with (at most) and for validation; None if that is not known."""

    train: int | None = None
    val: int | None = None


HEADS: dict[Goal, tuple[Head, ...]] = {
    "classification": ("mean", "class_token", "class_and_max"),
    "tagging": ("mean", "class_token", "class_and_max"),
    "part_segmentation": ("part_segmentation",),
    "semantic_segmentation": ("upernet",),
    "instance_segmentation": ("mask_rcnn",),
}

_FOR_TASKS = {"repeats": 1, "weighted": False, "replacement": False, "epoch_samples": None, "test": TestConfig()}
"""Settings that only tasks on published data sets can have, each with the value that has no effect."""


def refusal(spec: RunSpec, means: Means, known: Known | None = None) -> str | None:
    """The sentence that says why a run cannot start; None if nothing is known that would prevent it."""
    try:
        require_startable(spec, means, known)
    except UserError as error:
        return str(error)
    return None


def require_startable(spec: RunSpec, means: Means, known: Known | None = None) -> None:
    """Check everything that can be checked before a run has its data and weights.

    Raises:
        UserError: it cannot start, or a setting would not have the effect that it states.

    """
    for fault in faults(spec, means, known or Known()):
        raise UserError(fault)


def faults(spec: RunSpec, means: Means, known: Known) -> Iterator[str]:
    """All that is known to prevent a run from starting; batches are only judged where data and goal are possible."""
    possible = True
    checks: tuple[tuple[bool, Callable[[], Iterator[str]]], ...] = (
        (True, lambda: _of_data(spec)),
        (True, lambda: _of_goal(spec)),
        (False, lambda: _of_method(spec, means)),
        (False, lambda: _of_counts(spec, known)),
        (False, lambda: _of_rows(spec, means, known) if possible else iter(())),
        (False, lambda: _of_compilation(spec, means)),
    )
    for decides, check in checks:
        for fault in _told(check):
            possible = possible and not decides
            yield fault


def data_faults(spec: RunSpec) -> list[str]:
    """Why the data of a run cannot be opened as its settings say; nothing if they can."""
    return list(_told(lambda: _of_data(spec)))


def _told(check: Callable[[], Iterator[str]]) -> Iterator[str]:
    """The faults that a check tells, or raises."""
    try:
        yield from check()
    except UserError as error:
        yield str(error)


def _of_data(spec: RunSpec) -> Iterator[str]:
    """Settings that the data set does not support."""
    recipe = spec.finetune
    if spec.task is None:
        for key, nothing in _FOR_TASKS.items():
            if getattr(recipe, key) != nothing:
                yield f"finetune.{key}: is only for tasks on published data sets, which {spec.target} is not; leave it out."
        beside = {spec.auxiliary: spec.auxiliary_data.input} if spec.auxiliary_data else {}
        for name, samples in ({spec.modality: spec.input} | beside).items():
            for key in samples.for_tasks_only:
                if getattr(samples, key) is not None:
                    yield f"inputs.{name}.{key}: is only for tasks on published data sets, which {name} is not; leave it out."
        if not isinstance(recipe.augment, bool):
            yield f"finetune.augment: {spec.target} is small data, which has its own augmentation; set the key to true or false."
        return
    where = f"tasks.{spec.target}"
    if recipe.augment is True:
        yield f"{where}.finetune.augment: true means the augmentation of small data; give a section of values, or false."
    known = SPECS[spec.modality].dataset(spec.task.dataset)
    if known is None:
        yield f"{where}.dataset: {spec.task.dataset} is not a data set of the modality {spec.modality}."
        return
    known.require_possible(wanted(spec))
    for key, value in recipe.test.model_dump().items():
        if value != getattr(TestConfig(), key) and spec.goal not in spec.input.views.get(key, ()):
            yield f"{where}.finetune.test.{key}: does not apply to {spec.goal} of the modality {spec.modality}; leave it out."


def _of_goal(spec: RunSpec) -> Iterator[str]:
    """Heads, losses and mixing that the goal, the tokens or each other exclude."""
    recipe, goal = spec.finetune, spec.goal
    if recipe.head not in HEADS[goal]:
        yield f"finetune.head: {recipe.head} is not for {goal}; choose among {', '.join(HEADS[goal])}."
    if recipe.head in ("class_token", "class_and_max") and (spec.input.form == "shared" or not spec.input.class_token):
        yield f"finetune.head: {recipe.head} needs a class token, and samples of {spec.target} have none; choose mean."
    segmentation = goal not in ("classification", "tagging")
    binary = recipe.loss == "binary_cross_entropy"
    if binary and segmentation:
        yield f"finetune.loss: binary_cross_entropy is not for {goal}; choose cross_entropy."
    if recipe.weighted and goal in ("semantic_segmentation", "instance_segmentation"):
        yield f"finetune.weighted: the data set of {spec.target} does not list its labels; set it to false."
    if recipe.compiled and goal == "instance_segmentation":
        yield "finetune.compiled: a detector chooses regions as it computes, which cannot be compiled; set it to false."
    if goal == "tagging" and not binary:
        yield "finetune.loss: tagging needs binary_cross_entropy."
    if recipe.mixes and goal != "classification":
        yield f"finetune.mixup: samples can be mixed for classification, not for {goal}; set mixup and cutmix to 0."
    if recipe.mixes and recipe.mixes_before:
        yield "finetune.mixup: waveforms are mixed already (augment.mixup); set one of them to 0."
    if recipe.cutmix and not SPECS[spec.modality].has_rectangles:
        yield f"finetune.cutmix: cuts rectangles, which samples of the modality {spec.modality} do not have; set it to 0."


def _of_method(spec: RunSpec, means: Means) -> Iterator[str]:
    """Methods that the tuning, the form of the samples, the number of devices or the installed packages exclude."""
    method = METHODS[spec.method]
    if spec.tuning not in method.tunings:
        yield f"sweep.methods: {spec.method} has nothing to train in fix tuning, which is for scales and heads; leave one out."
    if spec.model.family != "vit":
        yield from of_convnet(spec, recomputes=means.recomputes)
    if method.refusal is not None and (sentence := method.refusal(spec)) is not None:
        yield sentence
    mapping = spec.pathway.mapping if spec.pathway else None
    if mapping is not None and spec.tuning == "fix":
        yield "pathway.mapping: its projections are learned, and fix tuning trains only the scales and the head; leave one out."
    if mapping is not None and spec.model.family != "vit":
        yield f"pathway.mapping: is for encoders of the family vit, and model.family is {spec.model.family}; leave one out."
    if mapping is not None and mapping.model.family != "vit":
        yield f"pathway.mapping.model.family: is {mapping.model.family}, but only encoders of the family vit are mapped."
    if method.reads_auxiliary_samples and means.devices > 1:
        yield (
            f"execution.devices_per_job: {spec.method} trains with samples of two modalities, which is done on one device; set "
            "it to 1."
        )


def _of_counts(spec: RunSpec, known: Known) -> Iterator[str]:
    """More epochs, steps or samples than there are."""
    recipe = spec.finetune
    scheduled = recipe.epochs - recipe.schedule_tail
    if recipe.warmup_epochs is not None and recipe.warmup_epochs >= max(scheduled, 1):
        yield f"finetune.warmup_epochs: {recipe.warmup_epochs:g} must be less than the {scheduled} epochs; lower it."
    if recipe.score == "best_val" and known.val == 0:
        yield f"finetune.score: best_val needs validation data, {spec.target} has none; set its holdout, or score: last."
    if known.train is None:
        return
    if recipe.samples != "all" and recipe.samples > known.train:
        yield (
            f"finetune.samples: {recipe.samples} requested, but the train split of {spec.target} has {known.train}; "
            "lower it or add data."
        )
    if spec.goal in ("classification", "tagging") and 1 in (known.train, recipe.samples):
        yield f"finetune.samples: a single training sample has a single answer, so {spec.target} has nothing to learn; raise it."
    held = known.train if recipe.samples == "all" else recipe.samples
    drawn = (recipe.epoch_samples if recipe.weighted else None) or held
    steps = -(-drawn // recipe.batch_size) * recipe.epochs
    if "alignment_steps" in METHODS[spec.method].rivals and spec.rivals is not None and spec.rivals.alignment_steps >= steps:
        yield (
            f"rivals.alignment_steps: {spec.rivals.alignment_steps} must be less than the {steps} steps of the run, of which "
            "they are the first; lower it."
        )
    if recipe.warmup_epochs is None and 0 < steps < recipe.warmup_steps != type(recipe).model_fields["warmup_steps"].default:
        yield f"finetune.warmup_steps: {recipe.warmup_steps} are more than the {steps} steps of the run; lower it."
    if drawn > held and not recipe.replacement:
        yield f"finetune.epoch_samples: {drawn} are more than the {held} samples of {spec.target}; lower it."
    if spec.task is not None and recipe.batch_size > drawn:
        yield f"finetune.batch_size: {recipe.batch_size} is more than the {drawn} training samples of {spec.target}."


def _of_rows(spec: RunSpec, means: Means, known: Known) -> Iterator[str]:
    """Batches that cannot be dealt, mixed or normalised as the recipe says."""
    recipe = spec.finetune
    sizes = _batch_sizes(spec, known)
    if recipe.mixes and any(size % 2 for size in sizes):
        odd = next(size for size in sizes if size % 2)
        yield f"finetune.batch_size: mixing takes samples in pairs, and a batch has {odd}; let every batch be even."
    if (min(sizes) + 1) // 2 < means.devices:
        yield f"execution.devices_per_job: a batch of {min(sizes)} rows is too small for {means.devices} devices; lower it."
    if recipe.norm_rows is not None:
        groups = [-(-size // recipe.norm_rows) for size in sizes]
        if any(count % means.devices for count in groups):
            yield (
                f"execution.devices_per_job: batch norm sees {recipe.norm_rows} rows at once (finetune.norm_rows), and "
                f"{means.devices} devices cannot share {max(groups)} such groups evenly; choose another number."
            )
        if any(size % recipe.norm_rows == 1 for size in sizes):
            yield f"finetune.norm_rows: {recipe.norm_rows} leaves one row alone, which has no statistics; choose another number."
    if not _normalises_batches(spec.modality, spec.input, spec.model, spec.finetune):
        return
    rows = recipe.batch_size * recipe.repeats // means.devices
    if means.micro_batch is not None and means.micro_batch < rows:
        yield (
            f"execution.micro_batch: the model of {spec.target} has batch norm, which needs its {rows} rows at once; leave "
            f"micro_batch out, give {spec.target} so many (execution.micro_batch_of), or train on more devices."
        )
    if means.devices > 1 and means.device != "cuda":
        yield (
            f"execution.devices_per_job: the model of {spec.target} has batch norm, which can only be shared between CUDA "
            "devices; set it to 1."
        )
    if min(sizes) == 1:
        yield f"finetune.batch_size: the model of {spec.target} has batch norm, and a batch would have one sample; change it."


def _batch_sizes(spec: RunSpec, known: Known) -> list[int]:
    """The numbers of rows in the batches of an epoch; with small data, the last batch may be smaller."""
    recipe = spec.finetune
    full = recipe.batch_size * recipe.repeats
    count = known.train if recipe.samples == "all" else recipe.samples
    if spec.task is not None or count is None:
        return [full]
    return [size for size in (full if count >= full else 0, count % full) if size] or [full]


def is_plain(form: InputConfig, recipe: FinetuneConfig) -> bool:
    """Whether a model is this project's own tokenizer, plain blocks and a linear head; none of them has batch norm."""
    return form.form == "shared" and recipe.head == "mean" and recipe.blocks == BlocksConfig() and not recipe.side_loss


@functools.lru_cache(maxsize=256)
def _normalises_batches(modality: Modality, form: InputConfig, config: ModelConfig, recipe: FinetuneConfig) -> bool:
    """Whether such a model has batch norm over all rows that it is given. Raises `UserError` if it cannot be built."""
    if is_plain(form, recipe) and config.family == "vit":
        return False
    from m2pt.models.model import of_recipe  # only published models have to be built to know
    from m2pt.models.shapes import has_batch_norm, shapes_only

    with shapes_only():
        model = of_recipe(modality, form, config, recipe, 2, 2)
    return has_batch_norm(model)


def _of_compilation(spec: RunSpec, means: Means) -> Iterator[str]:
    """Packages and compilers that torch.compile lacks on this machine."""
    if not spec.finetune.compiled:
        return
    if means.device == "cuda" and importlib.util.find_spec("triton") is None:
        yield "finetune.compiled: needs the package triton on CUDA devices; install it, or set compiled to false."
    if means.device == "cpu" and not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++")):
        yield "finetune.compiled: needs a C++ compiler on the CPU; install one, or set compiled to false."

"""What keeps a run from starting is told from its spec, in one sentence that names the key."""

import pytest

from m2pt.config import (
    AudioAugment,
    AudioInput,
    FinetuneConfig,
    ImageAugment,
    ImageInput,
    PathwayConfig,
    PointAugment,
    PointInput,
    TestConfig,
    UserError,
    VideoInput,
)
from m2pt.methods import unread
from m2pt.modalities.registry import SPECS
from m2pt.models.model import of_recipe
from m2pt.runs.spec import TaskSpec
from m2pt.training.startable import Known, Means, is_plain, refusal, require_startable
from tests.specs import MODEL, run_spec

ALONE = {"method": "baseline", "auxiliary": "", "pathway": None, "auxiliary_weights": None}
POINTS = PointInput(form="published", points=32, groups=4, neighbours=4)


def on_task(modality: str, recipe: str, dataset: str, variant: str | None = None, **finetune: object):
    """A run of a recipe as it stands, with some values changed."""
    chosen = SPECS[modality].recipes[recipe]
    task = TaskSpec(dataset=dataset, goal=chosen.goal, variant=variant, recipe=recipe, holdout=0.0, unreadable="fail")
    config = FinetuneConfig.model_validate(chosen.finetune.model_dump() | finetune)
    return run_spec(**ALONE, target="toy", modality=modality, task=task, input=chosen.input, finetune=config)


def whole(**finetune: object):
    return run_spec(**ALONE, finetune=FinetuneConfig(**({"samples": 40, "epochs": 3, "batch_size": 16} | finetune)))


@pytest.mark.parametrize("form", [ImageInput(), AudioInput(), PointInput(), VideoInput()], ids=lambda form: type(form).__name__)
def test_a_model_that_is_taken_for_plain_has_no_batch_norm(form):
    recipe = FinetuneConfig(samples=40, epochs=3, batch_size=16)
    assert is_plain(form, recipe)
    (modality,) = (name for name, spec in SPECS.items() if spec.section is type(form))
    model = of_recipe(modality, form, MODEL, recipe, 2)
    assert not any("BatchNorm" in type(part).__name__ for part in model.modules())


TASKS = [
    ("image", "mae-finetune", "imagenet", None),
    ("image", "mae-linear-probe", "webdataset", None),
    ("image", "mae-ade20k", "ade20k", None),
    ("image", "vitdet-coco", "coco", None),
    ("audio", "audiomae-audioset-20k", "audioset", "balanced"),
    ("audio", "audiomae-audioset-2m", "audioset", "full"),
    ("audio", "audiomae-esc50", "esc50", "fold-2"),
    ("audio", "audiomae-speech-commands", "speech-commands", None),
    ("point", "point-mae-scanobjectnn", "scanobjectnn", "hardest"),
    ("point", "point-mae-modelnet40", "modelnet40", None),
    ("point", "point-mae-shapenetpart", "shapenetpart", "trainval"),
    ("point", "point-mae-partnet", "partnet", None),
    ("video", "videomae-kinetics400", "kinetics", None),
]


@pytest.mark.parametrize("case", TASKS, ids=[case[1] for case in TASKS])
@pytest.mark.parametrize("means", [Means(), Means(micro_batch=64), Means("cuda", 8), Means("cuda", 8, 32)])
def test_every_recipe_can_start_as_it_stands(case, means):
    assert refusal(on_task(*case), means) is None


def test_the_linear_probe_starts_with_any_micro_batch():
    """24 of the 225 runs of the paper's study were costed and could not start: batch norm wanted all 16,384 rows at once."""
    probe = on_task("image", "mae-linear-probe", "imagenet")
    for micro_batch in (None, 1, 64, 128, 1000):
        assert refusal(probe, Means(micro_batch=micro_batch)) is None
    whole_batch = on_task("image", "mae-linear-probe", "imagenet", norm_rows=None)
    assert "which needs its 16384 rows at once" in str(refusal(whole_batch, Means(micro_batch=64)))


IMAGENET = ("image", "mae-finetune", "imagenet")
PROBE = ("image", "mae-linear-probe", "imagenet")
SCENES = ("image", "mae-ade20k", "ade20k")
TAGS = ("audio", "audiomae-audioset-20k", "audioset", "balanced")
OBJECTS = ("image", "vitdet-coco", "coco")
CLOUDS = ("point", "point-mae-modelnet40", "modelnet40")
CLIPS = ("video", "videomae-kinetics400", "kinetics")

REFUSED = {
    "data set of another modality": (
        on_task("image", "mae-finetune", "kinetics"),
        "tasks.toy.dataset: kinetics is not a data set",
    ),
    "goal of another data set": (on_task("image", "mae-finetune", "ade20k"), "serves the goal semantic_segmentation"),
    "unknown variant": (
        on_task("point", "point-mae-scanobjectnn", "scanobjectnn"),
        "scanobjectnn needs a variant",
    ),
    "variant of what has none": (on_task(*IMAGENET, "big"), "imagenet has no variant 'big'; known: none"),
    "fold": (on_task("audio", "audiomae-esc50", "esc50", "fold-6"), "esc50 has no variant 'fold-6'"),
    "augmentation of another modality": (on_task(*IMAGENET, augment=AudioAugment()), "recipe is one of another modality"),
    "policy": (on_task(*IMAGENET, augment=ImageAugment(policy="wild")), "policy"),
    "policy of scenes": (on_task(*SCENES, augment=ImageAugment(policy="rand-m9")), "policy and erasing are for pictures"),
    "augment true": (on_task(*IMAGENET, augment=True), "tasks.toy.finetune.augment: true means the augmentation of small data"),
    "too few points": (on_task(*CLOUDS, augment=PointAugment(sample_from=100)), "sample_from: 100 points are fewer"),
    "votes of pictures": (on_task(*IMAGENET, test=TestConfig(votes=10)), "tasks.toy.finetune.test.votes: does not apply to"),
    "crops of clouds": (on_task(*CLOUDS, test=TestConfig(crops=3)), "tasks.toy.finetune.test.crops: does not apply to"),
    "stride of clips": (on_task(*CLIPS, test=TestConfig(stride=9)), "tasks.toy.finetune.test.stride: does not apply to"),
    "head of another goal": (on_task(*IMAGENET, head="upernet"), "finetune.head: upernet is not for classification"),
    "head without its token": (on_task(*CLIPS, head="class_token"), "finetune.head: class_token needs a class token"),
    "shared form": (whole(head="class_token"), "finetune.head: class_token needs a class token"),
    "loss of tags": (on_task(*TAGS, loss="cross_entropy"), "finetune.loss: tagging needs binary_cross_entropy"),
    "loss of scenes": (on_task(*SCENES, loss="binary_cross_entropy"), "binary_cross_entropy is not for semantic_segmentation"),
    "compiled objects": (on_task(*OBJECTS, compiled=True), "finetune.compiled: a detector chooses regions as it computes"),
    "loss of objects": (on_task(*OBJECTS, loss="binary_cross_entropy"), "binary_cross_entropy is not for instance_segmentation"),
    "policy of objects": (on_task(*OBJECTS, augment=ImageAugment(policy="rand-m9")), "policy and erasing are for pictures"),
    "weights of objects": (on_task(*OBJECTS, weighted=True), "finetune.weighted: the data set of toy does not list its labels"),
    "mixed scenes": (on_task(*SCENES, mixup=0.8), "finetune.mixup: samples can be mixed for classification"),
    "mixed twice": (
        on_task("audio", "audiomae-speech-commands", "speech-commands", mixup=0.8),
        "finetune.mixup: waveforms are mixed already",
    ),
    "cut clouds": (
        on_task(*CLOUDS, cutmix=1.0),
        "finetune.cutmix: cuts rectangles, which samples of the modality point do not have",
    ),
    "odd batches": (on_task(*IMAGENET, batch_size=1023), "finetune.batch_size: mixing takes samples in pairs"),
    "odd last batch": (whole(samples=41, mixup=0.8), "finetune.batch_size: mixing takes samples in pairs, and a batch has 9"),
    "warm-up to the end": (on_task(*IMAGENET, epochs=5), "finetune.warmup_epochs: 5 must be less than the 5 epochs"),
    "warm-up of clouds": (on_task(*CLOUDS, epochs=11), "finetune.warmup_epochs: 10 must be less than the 10 epochs"),
    "repeats of memory": (whole(repeats=2), "finetune.repeats: is only for tasks on published data sets"),
    "weights of memory": (whole(weighted=True), "finetune.weighted: is only for tasks on published data sets"),
    "views of memory": (whole(test=TestConfig(clips=2)), "finetune.test: is only for tasks on published data sets"),
    "augmentation of memory": (whole(augment=ImageAugment()), "finetune.augment: image is small data"),
    "one row alone": (on_task(*PROBE, batch_size=129), "finetune.norm_rows: 128 leaves one row alone"),
    "lora in fix": (run_spec(**ALONE | {"method": "lora"}, tuning="fix"), "lora has nothing to train in fix tuning"),
    "weights beside in fix": (
        run_spec(**ALONE | {"method": "matched_parameters", "pathway": PathwayConfig()}, tuning="fix"),
        "matched_parameters has nothing to train in fix tuning",
    ),
    "published cross-attention": (
        run_spec(method="cross_attention", pathway=None, input=ImageInput(form="published")),
        "cross_attention is for inputs of the shared form",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_start_says_why(case):
    spec, sentence = REFUSED[case]
    told = str(refusal(spec, Means()))
    assert sentence in told
    assert "\n" not in told and told.endswith(".")
    with pytest.raises(UserError) as caught:
        require_startable(spec, Means())
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("spec", "means", "sentence"),
    [
        (on_task(*CLOUDS), Means(micro_batch=16), "execution.micro_batch: the model of toy has batch norm, which needs its 32"),
        (on_task(*CLOUDS), Means("cpu", 2), "execution.devices_per_job: the model of toy has batch norm"),
        (on_task(*SCENES), Means(micro_batch=8), "execution.micro_batch: the model of toy has batch norm"),
        (on_task(*PROBE), Means("cuda", 3), "3 devices cannot share 128 such groups evenly"),
        (on_task(*PROBE, batch_size=64), Means("cuda", 2), "2 devices cannot share 1 such groups evenly"),
        (on_task(*CLIPS, batch_size=1, mixing_rows=None), Means("cuda", 4), "a batch of 2 rows is too small for 4 devices"),
    ],
)
def test_means_that_do_not_suffice(spec, means, sentence):
    assert sentence in str(refusal(spec, means))


@pytest.mark.parametrize(
    ("spec", "known", "sentence"),
    [
        (on_task(*IMAGENET, score="best_val"), Known(2000, 0), "finetune.score: best_val needs validation data"),
        (
            on_task(*IMAGENET, samples=3000),
            Known(2000),
            "finetune.samples: 3000 requested, but the train split of toy has 2000",
        ),
        (on_task(*IMAGENET), Known(1023), "finetune.batch_size: 1024 is more than the 1023 training samples of toy"),
        (
            on_task(*TAGS, weighted=True, epoch_samples=3000),
            Known(2000),
            "finetune.epoch_samples: 3000 are more than the 2000 samples of toy",
        ),
        (whole(samples=2000), Known(1000), "finetune.samples: 2000 requested"),
    ],
)
def test_data_that_do_not_suffice(spec, known, sentence):
    assert refusal(spec, Means()) is None
    assert sentence in str(refusal(spec, Means(), known))


def test_with_replacement_more_can_be_drawn_than_there_are():
    large = on_task("audio", "audiomae-audioset-2m", "audioset", "full")
    assert refusal(large, Means(), Known(1000)) is None
    once = on_task("audio", "audiomae-audioset-2m", "audioset", "full", replacement=False)
    assert "finetune.epoch_samples: 200000 are more than the 1000 samples" in str(refusal(once, Means(), Known(1000)))


UNREAD = {
    "binary loss": whole(loss="binary_cross_entropy"),  # which would have to set the label smoothing of 0.1 to 0, and may not
    "head with first weights of its own": on_task(*IMAGENET, head="class_and_max"),  # the recipe's: 2e-5 for a linear head
    "all samples": on_task("audio", "audiomae-audioset-2m", "audioset", "full", weighted=False, replacement=False),
}


@pytest.mark.parametrize("case", UNREAD)
def test_what_other_settings_leave_unread_keeps_no_run_from_starting(case):
    assert unread(UNREAD[case])
    assert refusal(UNREAD[case], Means(), Known(22_160)) is None


@pytest.mark.parametrize("form", [ImageInput(), AudioInput(), PointInput(), VideoInput()])
def test_the_embedded_study_can_start(form):
    modality = {ImageInput: "image", AudioInput: "audio", PointInput: "point", VideoInput: "video"}[type(form)]
    spec = run_spec(**ALONE, target=modality, modality=modality, input=form)
    assert refusal(spec, Means(), Known(1000, 500)) is None


def test_what_fine_tuning_adds_is_told_where_it_has_no_place():
    thinned = POINTS.model_copy(update={"form": "shared", "thinned": 64})
    small = run_spec(**ALONE, target="point", modality="point", input=thinned, finetune=whole().finetune)
    for spec, message in (
        (on_task("image", "mae-finetune", "imagenet", side_loss=0.4), r"finetune\.side_loss: the head 'mean' has no side head"),
        (
            on_task("video", "videomae-kinetics400", "kinetics", blocks={"relative_positions": True}),
            r"finetune\.blocks\.relative_positions: is only for images in the published form",
        ),
        (
            whole(blocks={"relative_positions": True}),
            r"finetune\.blocks\.relative_positions: is only for images in the published form",
        ),
        (small, r"inputs\.point\.thinned: is only for tasks on published data sets, which point is not"),
    ):
        with pytest.raises(UserError, match=message):
            require_startable(spec, Means())
    parts = on_task("point", "point-mae-shapenetpart", "shapenetpart", "trainval")
    parts = parts.model_copy(update={"input": parts.input.model_copy(update={"thinned": 2048})})
    with pytest.raises(UserError, match=r"input\.thinned: is for classification, not for the parts of shapenetpart"):
        require_startable(parts, Means())

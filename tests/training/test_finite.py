"""NaN is no score: what is not finite fails a run, whatever it is scored by."""

from dataclasses import replace

import pytest
import torch

from m2pt import pathway
from m2pt.config import FinetuneConfig, PathwayConfig, UserError
from m2pt.methods import METHODS, Actions
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import Encoder
from m2pt.runs.folder import HISTORY, create_run, read_history
from m2pt.runs.spec import TaskSpec
from m2pt.training import loop, pretraining_steps
from m2pt.training import pretrain as pretraining
from m2pt.training.evaluate import Evaluation
from m2pt.training.finetune import finetune, memory_feed
from m2pt.training.finite import refuse_weights
from m2pt.training.goals import Predictor
from m2pt.training.hopeless import refuse_hopeless
from m2pt.training.loop import Trainer
from m2pt.training.metrics.accuracy import Accuracy
from m2pt.training.metrics.average_precision import AveragePrecision
from m2pt.training.metrics.parts import PartIoU, PartNetIoU
from m2pt.training.metrics.segmentation import SegmentationIoU
from m2pt.training.places import Places
from m2pt.training.pretraining_steps import Course
from m2pt.training.stopwatch import Stopwatch
from tests.specs import pretrain_spec, run_spec

PART_LABELS = {"y": torch.ones(3, 5, dtype=torch.int64), "given": torch.zeros(3, dtype=torch.int64)}
METERS = {
    "accuracy": (lambda: Accuracy(4), (3, 4), {"y": torch.tensor([0, 1, 0])}),
    "map": (lambda: AveragePrecision(4), (3, 4), {"y": torch.eye(4)[:3]}),
    "miou": (lambda: SegmentationIoU(4), (3, 4, 5), {"y": torch.zeros(3, 5, dtype=torch.int64)}),
    "parts": (lambda: PartIoU(((0, 1), (2, 3))), (3, 4, 5), PART_LABELS),
    "partnet": (lambda: PartNetIoU(((0, 1), (2, 3))), (3, 4, 5), PART_LABELS),
}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("share", ["all", "one"])
@pytest.mark.parametrize("name", METERS)
def test_no_meter_scores_what_is_not_finite(name, share, value):
    make, shape, batch = METERS[name]
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    meter = make()
    meter.add(outputs, batch)
    meter.result()
    if share == "all":
        outputs.fill_(value)
    else:
        outputs[1, 2] = value
    with pytest.raises(UserError, match=rf"for {3 if share == 'all' else 1} of 3 samples of a batch are not finite"):
        meter.add(outputs, batch)


RECIPE = FinetuneConfig(samples="all", epochs=3, batch_size=8, warmup_steps=1)
"""Two steps an epoch on 16 samples."""


def make_samples(count, seed, classes=("a", "b", "c")):
    generator = torch.Generator().manual_seed(seed)
    return Samples(torch.rand(count, 1, 16, 16, generator=generator), torch.arange(count) % len(classes), classes)


def data(**changes):
    return {"train": make_samples(16, 1), "val": make_samples(9, 2), "test": make_samples(9, 3)} | changes


def spec_of(method="baseline", recipe=RECIPE):
    joined = {"method": method, "auxiliary": "random", "pathway": PathwayConfig()} if method == "random_auxiliary" else None
    plain = {"method": "baseline", "auxiliary": "", "pathway": None}
    return run_spec(**(joined or plain), setting="scratch", target_weights=None, auxiliary_weights=None, finetune=recipe)


def train(folder, spec=None, splits=None, device="cpu"):
    spec = spec or spec_of()
    run_dir = create_run(folder, spec)
    places = Places(device=torch.device(device))
    return finetune(spec, memory_feed(spec, splits or data(), places.share), places, run_dir, Stopwatch())


NO_VALIDATION = Samples(torch.zeros(0, 1, 16, 16), torch.zeros(0, dtype=torch.int64), ("a", "b", "c"))


def spoiled_step(monkeypatch, at, spoil):
    """Let `spoil(trainer)` happen after step `at`, counted from 0 over the run."""
    step = Trainer._step

    def changed(trainer, batch):
        step(trainer, batch)
        if (trainer.progress.epoch - 1) * trainer.steps + trainer.progress.step == at:
            spoil(trainer)

    monkeypatch.setattr(Trainer, "_step", changed)


def nan_head(trainer):
    with torch.no_grad():
        trainer.model.head.bias[0] = float("nan")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_loss_that_is_not_finite_names_the_step(precision, tmp_path, monkeypatch):
    spoiled_step(monkeypatch, 2, nan_head)
    spec = spec_of(recipe=RECIPE.model_copy(update={"precision": precision}))
    with pytest.raises(UserError, match=r"epoch 2, step 4: the training loss is nan.*diverged"):
        train(tmp_path, spec)


@pytest.mark.parametrize("splits", [data(), data(val=NO_VALIDATION)], ids=["validation", "no validation"])
def test_a_run_that_diverges_in_its_last_step_has_no_score(splits, tmp_path, monkeypatch):
    spoiled_step(monkeypatch, 5, nan_head)
    with pytest.raises(UserError, match=r"epoch 3: 1 of .* weights are not finite, the first is head.bias"):
        train(tmp_path, splits=splits)
    assert len(read_history(next(tmp_path.iterdir()))) == 2


def test_outputs_that_overflow_name_the_split_and_the_epoch(tmp_path, monkeypatch):
    """Weights of 1e38 are finite; what a model computes with them is not."""

    def huge(trainer):
        with torch.no_grad():
            trainer.model.head.weight.fill_(3e38)

    spoiled_step(monkeypatch, 1, huge)
    with pytest.raises(UserError, match=r"val split after epoch 1: the outputs for . of 9 samples of a batch are not finite"):
        train(tmp_path)
    with pytest.raises(UserError, match=r"epoch 2, step 3: the training loss is nan"):
        train(tmp_path / "none", splits=data(val=NO_VALIDATION))


def test_an_average_of_the_weights_is_looked_at_too(tmp_path, monkeypatch):
    def spoil(trainer):
        trainer.average.module.fc_norm.weight.data[3] = float("inf")

    spoiled_step(monkeypatch, 5, spoil)
    with pytest.raises(UserError, match=r"epoch 3: 1 of .* weights are not finite, the first is fc_norm.weight"):
        train(tmp_path, spec_of(recipe=RECIPE.model_copy(update={"average_decay": 0.9})), data(val=NO_VALIDATION))


def test_inputs_that_are_no_numbers_are_the_faults_of_the_data(tmp_path):
    train_split = make_samples(16, 1)
    train_split.x[3, 0, 5, 5] = float("nan")
    with pytest.raises(UserError, match=r"epoch 1, step .: the training loss is nan, because the inputs hold values"):
        train(tmp_path, splits=data(train=train_split))
    test_split = make_samples(9, 3)
    test_split.x[3] = float("inf")
    with pytest.raises(
        UserError, match=r"test split with the weights of epoch 3: the outputs .*, because the inputs hold values"
    ):
        train(tmp_path, splits=data(test=test_split))


def test_infinite_outputs_of_one_view_do_not_vanish_in_the_mean_of_probabilities():
    class Certain(torch.nn.Module):
        def forward(self, x, given):
            return torch.tensor([[0.0, -float("inf"), 1.0]]).repeat(len(x), 1)

    item = {"x": torch.zeros(2, 3, 1, 16, 16), "y": torch.zeros(2, dtype=torch.int64)}
    with pytest.raises(UserError, match=r"samples of a batch are not finite"):
        Predictor(Certain(), spec_of(), 3, torch.device("cpu"))(item)


def test_steps_that_fp16_skips_are_counted_and_a_run_of_nothing_else_fails(tmp_path, monkeypatch):
    spec = spec_of(recipe=RECIPE.model_copy(update={"precision": "fp16"}))
    spoilt = []

    unscale = torch.amp.GradScaler.unscale_

    def unscale_some(scaler, optimizer):
        """Overflow as gradients of fp16 do where the loss is scaled too much."""
        spoilt.append(len(spoilt))
        if spoilt[-1] in skip:
            next(p for group in optimizer.param_groups for p in group["params"]).grad.view(-1)[0] = float("inf")
        unscale(scaler, optimizer)

    monkeypatch.setattr(torch.amp.GradScaler, "unscale_", unscale_some)
    skip = {0, 3}
    train(tmp_path / "some", spec)
    lines = read_history(next((tmp_path / "some").iterdir()))
    assert [line["train/skipped_steps"] for line in lines] == [1, 1, 0]
    spoilt.clear()
    skip = set(range(6))
    with pytest.raises(UserError, match=r"overflowed in fp16 in every step"):
        train(tmp_path / "all", spec)
    spoilt.clear()
    monkeypatch.setattr(loop, "gradient_scaler", lambda precision, device: torch.amp.GradScaler(device.type, init_scale=2.0))
    with pytest.raises(UserError, match=r"epoch 1, step 2: the gradients overflow in fp16 without any scale"):
        train(tmp_path / "unscaled", spec)


def test_pretraining_names_the_step(tmp_path, monkeypatch):
    samples = make_samples(32, 1, ("a", "b"))

    def pretrain(folder, splits):
        spec = pretrain_spec()
        return pretraining.pretrain(spec, splits, None, Course(create_run(folder, spec)))

    bad = make_samples(32, 2, ("a", "b"))
    bad.x[:] = float("nan")
    with pytest.raises(UserError, match=r"step 1: the training loss is nan, because the inputs"):
        pretrain(tmp_path / "data", {"pretrain": bad, "val": samples})
    with pytest.raises(UserError, match=r"after step 50: val/loss is nan"):
        pretrain(tmp_path / "validation", {"pretrain": samples, "val": bad})
    clip, taken = pretraining_steps.clip_gradients, []

    def spoil(parameters, norm):
        parameters = list(parameters)
        clip(parameters, norm)
        taken.append(0)
        if len(taken) == 7:
            parameters[0].grad.fill_(float("nan"))

    monkeypatch.setattr(pretraining_steps, "clip_gradients", spoil)
    with pytest.raises(UserError, match=r"step 8: the training loss is nan; the training has diverged"):
        pretrain(tmp_path / "steps", {"pretrain": samples, "val": samples})


def test_one_answer_left_is_said_before_the_training(tmp_path):
    alone = make_samples(16, 1, ("a",))
    with pytest.raises(UserError, match=r"image: the data set has only one class, 'a', so there is nothing to learn"):
        train(tmp_path, spec_of("random_auxiliary"), {"train": alone, "val": alone, "test": alone})
    same = Samples(data()["train"].x, torch.full((16,), 2), ("a", "b", "c"))
    with pytest.raises(UserError, match=r"all 16 training samples are of one class, 'c'"):
        train(tmp_path, splits=data(train=same))
    with pytest.raises(UserError, match=r"a single training sample has a single answer, so image has nothing to learn"):
        train(tmp_path, spec_of(recipe=RECIPE.model_copy(update={"samples": 1})))
    with pytest.raises(UserError, match=r"image: no sample is left in the test split"):
        train(tmp_path, splits=data(test=NO_VALIDATION))
    with pytest.raises(UserError, match=r"image: no sample is left in the train split"):
        train(tmp_path, splits=data(train=NO_VALIDATION))
    assert not (next(tmp_path.iterdir()) / HISTORY).exists()


def test_the_best_epoch_may_be_one_before_anything_moved(tmp_path, monkeypatch):
    """The first step of a warm-up has the rate 0: with one step an epoch, the scales stand still there without a fault."""
    recipe = RECIPE.model_copy(update={"batch_size": 16, "score": "best_val"})
    monkeypatch.setattr("m2pt.training.epochs.evaluate", falling_scores())
    record = train(tmp_path, spec_of("random_auxiliary", recipe))
    assert record.epoch == 1
    assert set(record.scales.values()) == {0.0}


def falling_scores():
    scores = iter([90.0, 80.0, 70.0, 90.0, 90.0])
    return lambda *arguments: Evaluation(score := next(scores), {"accuracy": score}, None, None, None)


def test_an_auxiliary_of_zeros_is_told_from_scales_that_do_not_move(tmp_path, monkeypatch):
    def empty(model, spec, auxiliaries):
        auxiliary = Encoder(spec.model)
        auxiliary.blocks[1].mlp.fc1.weight.data.zero_()
        pathway.attach(model, auxiliary)

    monkeypatch.setitem(METHODS.made(), "random_auxiliary", replace(METHODS["random_auxiliary"], actions=lambda: Actions(empty)))
    with pytest.raises(UserError, match=r"the auxiliary's weights are all zero in blocks\.1\.mlp\.fc1; give another encoder"):
        train(tmp_path, spec_of("random_auxiliary"))


def test_finite_weights_and_models_without_any_pass():
    refuse_weights(torch.nn.Linear(2, 2), "here")
    refuse_weights(torch.nn.ReLU(), "here")


class Stub:
    def __init__(self, classes, labels, parts=None):
        self.classes, self.labels, self.parts, self.size = classes, labels, parts, 4

    def count(self, split):
        return 4


@pytest.mark.parametrize(
    ("goal", "head", "feed", "message"),
    [
        ("tagging", "mean", Stub(("a", "b"), torch.tensor([[1.0, 0]] * 4)), "all 4 training samples have the same labels"),
        ("tagging", "mean", Stub(("a",), torch.tensor([[1.0], [0], [1], [0]])), None),
        ("classification", "mean", Stub(("a",), None), "has only one class, 'a'"),
        ("classification", "mean", Stub((), None), "has no class"),
        ("classification", "mean", Stub(("a", "b"), None), None),
        ("semantic_segmentation", "upernet", Stub(("wall",), None), "has only one class, 'wall'"),
        ("semantic_segmentation", "upernet", Stub(("wall", "sky"), torch.zeros(4)), None),
        ("part_segmentation", "part_segmentation", Stub(("x", "y"), None, ((0,), (1,))), "no category has more than one part"),
        ("part_segmentation", "part_segmentation", Stub(("x", "y"), None, ((0, 1), (2,))), None),
    ],
)
def test_one_answer_left_of_every_goal(goal, head, feed, message):
    task = TaskSpec(dataset="imagenet", goal=goal, variant=None, recipe="r", holdout=0.0, unreadable="fail")
    spec = spec_of(recipe=RECIPE.model_copy(update={"head": head})).model_copy(update={"task": task})
    if message is None:
        refuse_hopeless(spec, feed)
        return
    with pytest.raises(UserError, match=message):
        refuse_hopeless(spec, feed)

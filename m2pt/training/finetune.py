"""Fine-tuning of one model by one method, from its spec to its record.

Every random draw comes from a generator seeded by the run's seed and a purpose, never by the method, so that runs of one seed
share split, order, augmentation and head across methods, and differences can be paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from m2pt import pathway
from m2pt.config import refuses_unknown
from m2pt.methods import METHODS
from m2pt.modalities.shared.samples import Samples
from m2pt.models.model import Model, fresh, plain
from m2pt.runs.folder import MERGED
from m2pt.runs.identity import derived_seed, run_id
from m2pt.runs.record import Counts, FinetuneRecord, LoadedFile, Merge
from m2pt.runs.sample_scores import write_sample_scores
from m2pt.runs.spec import RunSpec
from m2pt.training.counts import samples_sha256
from m2pt.training.draw import balanced
from m2pt.training.encoders import auxiliaries, load_target
from m2pt.training.epochs import scale_values, train
from m2pt.training.evaluate import Evaluation, evaluate
from m2pt.training.feeds import AuxiliaryFeed, Feed, MemoryFeed
from m2pt.training.finite import refuse_weights
from m2pt.training.hopeless import refuse_hopeless
from m2pt.training.latency import example
from m2pt.training.latency import measure as measure_latency
from m2pt.training.loop import Trainer
from m2pt.training.merging import merge
from m2pt.training.optim import freeze_for
from m2pt.training.places import Places
from m2pt.training.probe import tokens_to_compare
from m2pt.training.share import Share
from m2pt.training.startable import Known, require_startable
from m2pt.training.stopwatch import Stopwatch
from m2pt.training.without_signal import noise_like
from m2pt.weights.saved import save_weights


def build(
    spec: RunSpec,
    places: Places,
    num_classes: int,
    num_categories: int = 0,
    loaded: list[LoadedFile] | None = None,
    feed: Feed | None = None,
) -> Model:
    """The model that a run starts from: built from its seed, loaded with the target's weights, changed by its method.

    How weight files were read is added to `loaded`. A method that compares encoders on the training samples, or that trains with
    samples of the auxiliary's modality, needs the `feed`.
    """
    loaded = [] if loaded is None else loaded
    torch.manual_seed(derived_seed(spec.seed, "model", spec.target))
    model = fresh(spec, num_classes, num_categories)
    if spec.target_weights is not None:
        loaded.append(load_target(model, spec, spec.target_weights, places.target_weights))
    beside = len(feed.auxiliary.samples.classes) if feed and feed.auxiliary else None
    actions, encoders = METHODS[spec.method].actions(), auxiliaries(spec, places.auxiliary_weights, loaded, beside)
    if actions.align is not None:
        encoders = actions.align(model, spec, encoders, lambda: tokens_to_compare(spec, model, feed, places))
    actions.apply(model, spec, encoders)
    freeze_for(spec.tuning, model)
    model.gradient_checkpointing = places.gradient_checkpointing
    model.tokenizer.take(spec.finetune.augment)
    return model.to(places.device)


@refuses_unknown
def draw_samples(pool: Samples, count: int | Literal["all"], seed: int) -> Samples:
    """A class-balanced draw of `count` labelled samples (or `all`) from the train split. Raises as `balanced` does."""
    if isinstance(count, str):
        return pool
    chosen = balanced(pool.y, count, seed)
    return Samples(pool.x[chosen], pool.y[chosen], pool.classes)


def memory_feed(spec: RunSpec, splits: dict[str, Samples], share: Share) -> Feed:
    """The data of a run on small decoded data: `splits` holds `train`, `val` and `test`.

    It also holds `auxiliary`, the train split of the auxiliary's modality, for a method that trains with its samples. One that
    trains with noise gets noise like them, drawn once by the run's seed.
    """
    beside = splits.get("auxiliary") if spec.auxiliary_data is not None else None
    if beside is not None and METHODS[spec.method].auxiliary_samples_are_noise:
        seed = derived_seed(spec.seed, "auxiliary samples", spec.auxiliary)
        beside = noise_like(beside, beside, torch.Generator().manual_seed(seed))
    splits = {name: samples for name, samples in splits.items() if name != "auxiliary"}
    pool = draw_samples(splits["train"], spec.finetune.samples, derived_seed(spec.seed, "split", spec.target))
    feed = MemoryFeed(spec, pool, {"val": splits["val"], "test": splits["test"]}, share)
    feed.counts = {name: Counts(listed=len(samples.y)) for name, samples in splits.items()}
    feed.auxiliary = None if beside is None else AuxiliaryFeed(spec, beside)
    feed.samples_sha256 = samples_sha256(spec, {})  # nothing is left out: an unreadable sample would have ended the run
    return feed


def finetune(spec: RunSpec, feed: Feed, places: Places, run_dir: Path, watch: Stopwatch) -> FinetuneRecord:
    """Train, select on validation data, merge, test once; returns the record (not yet written).

    Continues from the last checkpoint in `run_dir`. The time of a forward pass goes to `watch`, not into the record.

    Raises:
        UserError: weights do not match, a file cannot be read, a loss is not finite, a scale has not moved, or there is no space.
        StoppedError: the job was asked to stop; a checkpoint is written.

    """
    require_startable(spec, places.means, Known(feed.size, feed.count("val")))
    refuse_hopeless(spec, feed)
    loaded: list[LoadedFile] = []
    with watch.measure("load"):
        model = build(spec, places, len(feed.classes), len(feed.parts or ()), loaded, feed)
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        trainer = Trainer(spec, model, feed, places.device, places.share, places.micro_batch)
    epoch = train(spec, trainer, places, run_dir, watch)
    with watch.measure("evaluate"):
        final = _finish(spec, trainer.scored, feed, places, epoch)
    files, by_sample = {}, None
    if places.share.leads:
        files = {MERGED: save_weights(run_dir / MERGED, trainer.scored)}
        by_sample = _write_samples(final.test, run_dir)
        _time_inference(spec, trainer.scored, feed, places, watch)
    return _record(spec, feed, final, loaded, trainable, files, by_sample)


@dataclass(frozen=True)
class _Final:
    """The measurements of the scored weights: the scales before the merge, everything else after it."""

    epoch: int
    scales: dict[str, float]
    largest_scale: float | None
    effective_sizes: dict[str, float]
    merge: Merge | None
    parameters: int
    val: Evaluation | None
    test: Evaluation


def _finish(spec: RunSpec, model: Model, feed: Feed, places: Places, epoch: int) -> _Final:
    """Merge the model, and evaluate it: on validation data if there are any, and once on test data."""
    scales, largest, sizes = scale_values(model), _largest_scale(model), pathway.effective_sizes(model)
    merged = merge(spec, model, plain(spec, len(feed.classes), len(feed.parts or ())), feed, places.device)
    refuse_weights(model, f"{run_id(spec)}, after training")
    when = f"with the weights of epoch {epoch}"
    val = evaluate(model, spec, feed, "val", places, when) if feed.count("val") else None
    test = evaluate(model, spec, feed, "test", places, when)
    parameters = sum(p.numel() for p in model.parameters())
    return _Final(epoch, scales, largest, sizes, merged, parameters, val, test)


def _record(
    spec: RunSpec,
    feed: Feed,
    final: _Final,
    loaded: Sequence[LoadedFile],
    trainable: int,
    files: dict[str, str],
    by_sample: str | None,
) -> FinetuneRecord:
    return FinetuneRecord(
        run_id=run_id(spec),
        kind=spec.kind,
        metric=spec.metric,
        score=spec.finetune.score,
        epoch=final.epoch,
        val_score=final.val.score if final.val else None,
        test_score=final.test.score,
        test_scores=final.test.scores,
        train_samples=feed.size,
        val_samples=feed.count("val"),
        test_samples=feed.count("test"),
        samples=dict(feed.counts),
        samples_sha256=feed.samples_sha256,
        test_samples_sha256=by_sample,
        loaded=tuple(loaded),
        skipped=tuple(feed.skipped),
        classes=tuple(feed.classes),
        confusion=final.test.confusion,
        scales=final.scales,
        effective_sizes=final.effective_sizes,
        scale_abs_max=final.largest_scale,
        scale_abs_mean=_mean([abs(value) for value in final.scales.values()]),
        effective_size_mean=_mean(list(final.effective_sizes.values())),
        parameters=final.parameters,
        trainable_parameters=trainable,
        merge=final.merge,
        files=files,
    )


def _write_samples(test: Evaluation, run_dir: Path) -> str | None:
    """Keep what each test sample scored; None where the score is no mean over samples."""
    return None if test.each is None else write_sample_scores(run_dir, test.each.numpy(), test.score)


def _time_inference(spec: RunSpec, model: Model, feed: Feed, places: Places, watch: Stopwatch) -> None:
    """Time the final model and a plain one, leaving the run's random state untouched; running out of memory fails no run."""
    with watch.measure("latency"):
        batch = example(spec, feed)
        if batch is None:
            return
        with torch.random.fork_rng(devices=[]):
            other = plain(spec, len(feed.classes), len(feed.parts or ()))
        try:
            other.to(places.device)
            watch.inference = measure_latency(model, other, *batch, spec.finetune.precision, places.device)
        except torch.OutOfMemoryError as error:
            print(f"no memory to time a plain model next to the final one: {error}")


def _largest_scale(model: Model) -> float | None:
    """The largest absolute value in all scales; None without scales."""
    return max((float(scale.detach().abs().max()) for scale in pathway.scales(model).values()), default=None)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None

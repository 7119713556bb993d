"""Data on which nothing can be learned or scored, refused before the training."""

from torch import Tensor

from m2pt.config import UserError
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Feed


def refuse_hopeless(spec: RunSpec, feed: Feed) -> None:
    """Check the data of a run before it trains.

    Raises:
        UserError: there is no sample to train with or to test, or only one answer is possible.

    """
    for split, count in (("train", feed.size), ("test", feed.count("test"))):
        if count == 0:
            raise UserError(f"{spec.target}: no sample is left in the {split} split; check its files and what is skipped.")
    refuse_one_answer(spec, feed.classes, feed.labels, feed.parts)


def refuse_one_answer(
    spec: RunSpec, classes: tuple[str, ...], labels: Tensor | None, parts: tuple[tuple[int, ...], ...] | None
) -> None:
    """Check that there is something to distinguish, without reading a sample; `labels` are those of training, if known.

    Raises:
        UserError: only one answer is possible.

    """
    answer = _only_answer(spec, classes, labels, parts)
    if answer is not None:
        raise UserError(
            f"{spec.target}: {answer}, so there is nothing to learn; check the data set's files, what is left out of them, and "
            "finetune.samples."
        )


def _only_answer(
    spec: RunSpec, classes: tuple[str, ...], labels: Tensor | None, parts: tuple[tuple[int, ...], ...] | None
) -> str | None:
    """Why every training sample has the same answer; None if there is something to distinguish."""
    if spec.goal == "part_segmentation":
        return None if any(len(group) > 1 for group in parts or ()) else "no category has more than one part"
    if spec.goal != "tagging" and len(classes) < 2:
        return f"the data set has only one class, {classes[0]!r}" if classes else "the data set has no class"
    if labels is None or spec.goal in ("semantic_segmentation", "instance_segmentation") or not bool((labels == labels[0]).all()):
        return None
    if spec.goal == "tagging":
        return f"all {len(labels)} training samples have the same labels"
    return f"all {len(labels)} training samples are of one class, {classes[int(labels[0])]!r}"

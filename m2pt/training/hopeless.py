"""Data on which nothing can be learned or scored, told before the training instead of by what goes wrong after it."""

from m2pt.config import UserError
from m2pt.identity import RunSpec
from m2pt.training.feeds import Feed


def refuse_hopeless(spec: RunSpec, feed: Feed) -> None:
    """Look at the data of a run before it trains.

    Raises:
        UserError: there is no sample to train with or to test, or only one answer is left to give.

    """
    for split, count in (("train", feed.size), ("test", feed.count("test"))):
        if count == 0:
            raise UserError(f"{spec.target}: no sample is left in the {split} split; check its files and what is skipped.")
    answer = _only_answer(spec, feed)
    if answer is not None:
        raise UserError(
            f"{spec.target}: {answer}, so there is nothing to learn; check the data set's files, what is left out of them, and "
            "finetune.samples."
        )


def _only_answer(spec: RunSpec, feed: Feed) -> str | None:
    """What makes every sample of the training the same to a model; None where there is something to tell apart."""
    if spec.goal == "part_segmentation":
        return None if any(len(labels) > 1 for labels in feed.parts or ()) else "no category has more than one part"
    if spec.goal != "tagging" and len(feed.classes) < 2:
        return f"the data set has one class alone, {feed.classes[0]!r}" if feed.classes else "the data set has no class"
    if feed.labels is None or spec.goal == "semantic_segmentation" or not bool((feed.labels == feed.labels[0]).all()):
        return None
    if spec.goal == "tagging":
        return f"all {feed.size} training samples have the same labels"
    return f"all {feed.size} training samples are of one class, {feed.classes[int(feed.labels[0])]!r}"

"""Data on which nothing can be learned or scored, told before the training instead of by what goes wrong after it."""

from torch import Tensor, nn

from m2pt.config import Goal, Head, UserError
from m2pt.heads import GroupedBatchNorm
from m2pt.identity import RunSpec
from m2pt.training.feeds import Feed
from m2pt.training.share import Share

_HEADS: dict[Goal, tuple[Head, ...]] = {
    "classification": ("mean", "class_token", "class_and_max"),
    "tagging": ("mean", "class_token", "class_and_max"),
    "semantic_segmentation": ("upernet",),
    "part_segmentation": ("part_segmentation",),
}


def refuse_hopeless(spec: RunSpec, feed: Feed) -> None:
    """Look at the data of a run before it trains.

    Raises:
        UserError: there is no sample to train with or to test, only one answer is left to give, or the head gives another kind.

    """
    head, goal = spec.finetune.head, spec.goal
    if head not in _HEADS[goal]:
        raise UserError(f"finetune.head: {head} is not for {goal}, the goal of {spec.target}; use {' or '.join(_HEADS[goal])}.")
    for split, count in (("train", feed.size), ("test", feed.count("test"))):
        if count == 0:
            raise UserError(f"{spec.target}: no sample is left in the {split} split; check its files and what is skipped.")
    answer = _only_answer(spec, feed)
    if answer is not None:
        raise UserError(
            f"{spec.target}: {answer}, so there is nothing to learn; check the data set's files, what is left out of them, and "
            "finetune.samples."
        )


def refuse_batches(spec: RunSpec, feed: Feed, model: nn.Module, share: Share) -> None:
    """Look at how many rows the batches of a run have.

    Raises:
        UserError: rows would be mixed in groups of an odd number, or batch norm would be given a single one.

    """
    recipe = spec.finetune
    mixes = recipe.mixup > 0 or recipe.cutmix > 0
    norms = any(isinstance(part, nn.modules.batchnorm._BatchNorm | GroupedBatchNorm) for part in model.modules())
    for total in feed.batch_rows:
        rows = share.rows(total, recipe.rows_together)
        for count in _counts(rows, recipe.mixing_rows or total) if mixes else ():
            if count % 2:
                raise UserError(
                    f"finetune.mixup: mixes pairs of rows, and {count} of a batch's {total} are mixed on one device; choose "
                    "finetune.batch_size (or samples) so that this number is even."
                )
        if norms and 1 in _counts(rows, recipe.norm_rows or total):
            raise UserError(
                f"finetune.batch_size: batch norm would be given a single row of a batch of {total}, where there is nothing to "
                "average; choose another batch_size or number of samples."
            )


def _counts(rows: Tensor, together: int) -> list[int]:
    """How many of the rows of a process lie in each group of `together` rows."""
    counts: list[int] = (rows // together).unique_consecutive(return_counts=True)[1].tolist()
    return counts


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

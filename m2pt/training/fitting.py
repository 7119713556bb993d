"""A run that needs more memory than its device has goes on with fewer samples at a time, where its study allows that."""

import gc
from dataclasses import replace
from pathlib import Path

import torch

from m2pt.config import UserError
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Feed
from m2pt.training.finetune import finetune
from m2pt.training.places import Places
from m2pt.training.startable import require_startable
from m2pt.training.stopwatch import Stopwatch


def finetune_halving(spec: RunSpec, feed: Feed, places: Places, run_dir: Path, watch: Stopwatch) -> FinetuneRecord:
    """As `finetune`; each time that memory runs out it goes on from the last checkpoint with half as many samples at once.

    A step stays that of the whole batch, so the result is that of a smaller `micro_batch` from there on: the same up to the order
    of sums. Raises what `finetune` does, `torch.OutOfMemoryError` if fewer cannot be computed at once.
    """
    while True:
        try:
            return finetune(spec, feed, places, run_dir, watch)
        except torch.OutOfMemoryError:
            if (smaller := _smaller(spec, places)) is None:
                raise
        print(f"The device ran out of memory; going on with {smaller.micro_batch} samples at a time.", flush=True)
        places = smaller
        gc.collect()  # the model of the last try, which its error held until now
        torch.cuda.empty_cache()


def _smaller(spec: RunSpec, places: Places) -> Places | None:
    """With half as many samples at a time; None if that cannot be, or other processes would have to do it too."""
    recipe = spec.finetune
    most = places.micro_batch or recipe.batch_size * recipe.repeats
    half = places if places.share.world > 1 else replace(places, micro_batch=max(most // 2, recipe.norm_rows or 1))
    try:
        require_startable(spec, half.means)
    except UserError:
        return None
    return half if (half.micro_batch or most) < most else None

"""The end of a pathway's training: a plain model, and how far its outputs differ from those before the merge."""

from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn

from m2pt.methods import METHODS
from m2pt.models.families import family_of
from m2pt.models.model import Model, fold
from m2pt.runs.identity import run_id
from m2pt.runs.record import Merge
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Feed, TestSplit
from m2pt.training.finite import NotFiniteError, diverged
from m2pt.training.goals import Predictor

_PROOF_BATCHES = 8


def merge(spec: RunSpec, model: Model, plain: Model, feed: Feed, device: torch.device) -> Merge | None:
    """Merge into a plain model, and fold what its family folds; returns the largest difference of outputs, and parameter counts.

    The outputs are those of the first batches of the validation split, or of the test split if there is none; labels are not
    used. A detector's are compared before it chooses regions by them (`MaskRCNNHead.undecided`). `plain` is a fresh plain model,
    which takes the merged weights. None if neither method nor family merges anything.

    Raises:
        UserError: an output is not finite.

    """
    method = METHODS[spec.method].actions().merge
    if method is None and family_of(spec.model).fold is None:
        return None
    before = _outputs(spec, model, feed, device)
    if method is not None:
        method(model)
    fold(model, spec.model)
    after = _outputs(spec, model, feed, device)
    plain.load_state_dict(model.state_dict())
    return Merge(
        max_logit_difference=max(float((one - other).abs().max()) for one, other in zip(before, after, strict=True)),
        parameters=sum(p.numel() for p in model.parameters()),
        plain_parameters=sum(p.numel() for p in plain.parameters()),
    )


class _Undecided(nn.Module):
    """A detector that says all and chooses nothing."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """As `MaskRCNNHead.undecided`, of one region."""
        del given
        outputs: Tensor = cast(Any, self.model.head).undecided(self.model.features(x), 1, 1)
        return outputs


@torch.no_grad()
def _outputs(spec: RunSpec, model: Model, feed: Feed, device: torch.device) -> list[Tensor]:
    model.eval()
    predict = Predictor(_Undecided(model) if spec.goal == "instance_segmentation" else model, spec, len(feed.classes), device)
    split: TestSplit = "val" if feed.count("val") else "test"
    try:
        return [predict(item) for item in islice(feed.test(split), _PROOF_BATCHES)]
    except NotFiniteError as error:
        raise diverged(f"{run_id(spec)}, {split} split at the merge: {error}") from error

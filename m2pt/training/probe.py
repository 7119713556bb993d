"""The tokens on which a method compares its auxiliary with the target: of the run's training samples, without their labels."""

import torch
from torch import Tensor

from m2pt.alignment import Probe
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec
from m2pt.training.encoders import tokenizer_of
from m2pt.training.feeds import Feed
from m2pt.training.places import Places

SAMPLES = 256
"""How many training samples are compared; all of them, if a run has fewer."""


@torch.no_grad()
def tokens_to_compare(spec: RunSpec, model: Model, feed: Feed | None, places: Places) -> Probe:
    """The tokens of some training samples, as the target's tokenizer makes them and as the auxiliary's own does.

    An auxiliary of another modality, or one that was drawn, has no tokenizer for these samples: it reads the target's tokens.

    Raises:
        UserError: a sample or the auxiliary's file cannot be read.

    """
    if feed is None:
        raise ValueError(f"{spec.method} compares encoders on the training samples, but none are given")
    samples = [item["x"] for item in feed.some(SAMPLES)]
    ours = _tokens(model.tokenizer, samples)
    if spec.auxiliary != spec.modality or spec.auxiliary_weights is None:
        return Probe(ours, ours)
    path = places.auxiliary_weights[0] if places.auxiliary_weights else None
    return Probe(ours, _tokens(tokenizer_of(spec, spec.auxiliary_weights, path), samples))


def _tokens(tokenizer: Tokenizer, samples: list[Tensor]) -> list[Tokens]:
    mode = tokenizer.training
    tokenizer.eval()  # nothing is masked at random
    found = [tokenizer.tokens(x) for x in samples]
    tokenizer.train(mode)
    return found

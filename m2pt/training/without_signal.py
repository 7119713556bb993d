"""Samples and labels from which nothing about a modality can be learned, for encoders that serve as controls.

Shapes: N samples; the other dimensions are those of one sample.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch

from m2pt.modalities.shared.samples import Samples
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import PretrainSpec


def as_declared(spec: PretrainSpec, splits: Mapping[str, Samples]) -> dict[str, Samples]:
    """The splits of a pretraining as its source wants them: as they are, with noise for samples, or with permuted labels.

    Everything is drawn from the pretraining's seed, once: noise is a data set like any other, the same in every pass.
    """
    splits = dict(splits)
    if spec.samples == "noise":
        splits = {name: noise_like(split, splits["pretrain"], _generator(spec, "noise", name)) for name, split in splits.items()}
    if spec.labels == "random":
        splits = {name: with_permuted_labels(split, _generator(spec, "random labels", name)) for name, split in splits.items()}
    return splits


def noise_like(split: Samples, pool: Samples, generator: torch.Generator) -> Samples:
    """Gaussian noise in place of each sample; every value has the mean and the spread that it has in `pool`, and no correlation.

    The labels stay, and say nothing about the noise.
    """
    spread, mean = torch.std_mean(pool.x, dim=0, correction=0)
    return replace(split, x=mean + spread * torch.randn(split.x.shape, generator=generator))


def with_permuted_labels(split: Samples, generator: torch.Generator) -> Samples:
    """The same samples with their labels in another order: as many of each class, assigned at random."""
    return replace(split, y=split.y[torch.randperm(len(split.y), generator=generator)])


def _generator(spec: PretrainSpec, purpose: str, split: str) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(spec.seed, purpose, spec.modality, split))

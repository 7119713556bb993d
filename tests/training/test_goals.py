"""The loss of segmentations against its published definition."""

import torch
from torch.nn.functional import cross_entropy

from m2pt.config import FinetuneConfig
from m2pt.training.goals import training_loss


def published(logits, labels):
    """mmsegmentation's CrossEntropyLoss as ADE20K's recipe uses it: pixels without a label count 0 in the mean of all pixels."""
    return cross_entropy(logits, labels, reduction="none", ignore_index=-1).mean()


def test_the_loss_of_scenes_is_the_published_mean_over_all_pixels_and_both_heads():
    generator = torch.Generator().manual_seed(0)
    outputs, side = (torch.randn(3, 4, 6, 6, generator=generator) for _ in range(2))
    labels = torch.randint(-1, 4, (3, 6, 6), generator=generator)
    labels[1] = -1  # a scene of others alone
    recipe = FinetuneConfig(side_loss=0.4)
    losses = training_loss(recipe, "semantic_segmentation", (outputs, side), labels)
    assert losses.shape == (3,) and losses[1] == 0
    torch.testing.assert_close(losses.mean(), published(outputs, labels) + 0.4 * published(side, labels))
    alone = training_loss(recipe, "semantic_segmentation", outputs, labels)
    torch.testing.assert_close(alone.mean(), published(outputs, labels))

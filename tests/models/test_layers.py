"""The layer norm that everything shares is timm's, number for number, though timm is not imported for it."""

import torch
from timm.layers.norm import LayerNorm as Theirs

from m2pt.layers import LayerNorm


def test_it_gives_the_very_numbers_of_timms():
    ours, theirs = LayerNorm(24), Theirs(24)
    assert ours.eps == theirs.eps
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    x = 1e-3 * torch.randn(5, 7, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(x), theirs(x))

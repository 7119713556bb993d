"""Batch norm of groups of rows, beside torch's own."""

import copy

import pytest
import torch

from m2pt.config import FinetuneConfig
from m2pt.models.heads import GroupedBatchNorm


@pytest.mark.parametrize(
    ("rows", "parts"), [(8, (40,)), (8, (16, 24)), (8, (8, 8, 8, 8, 8)), (8, (32, 8)), (12, (40,)), (12, (24, 16)), (40, (40,))]
)
def test_it_is_torchs_batch_norm_given_groups_of_rows(rows, parts):
    """However the rows come in, as long as no group is split: outputs, gradients, running statistics, evaluation."""
    torch.manual_seed(0)
    plain, ours = torch.nn.BatchNorm1d(6, affine=False, eps=1e-6), GroupedBatchNorm(6, rows, eps=1e-6)
    for _ in range(3):
        x = torch.randn(40, 6) * 3 + 1
        upstream = torch.randn(40, 6)
        theirs, mine = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.cat([plain(part) for part in theirs.split(rows)]).backward(upstream)
        for part, direction in zip(mine.split(parts), upstream.split(parts), strict=True):
            ours(part).backward(direction)
        ours.take(torch.stack(ours.seen))
        assert torch.allclose(theirs.grad, mine.grad, atol=1e-6)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, ours.state_dict()[name], atol=1e-6), name
    plain.eval()
    ours.eval()
    assert torch.allclose(plain(x), ours(x), atol=1e-6)
    assert copy.deepcopy(ours).seen == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"norm_rows": 8}, "norm_rows: is for the head class_token, not for mean"),
        ({"norm_rows": 8, "head": "class_token", "mixup": 0.8}, "must be a multiple of mixing_rows"),
        ({"norm_rows": 8, "head": "class_token", "mixup": 0.8, "mixing_rows": 6}, "must be a multiple of mixing_rows"),
        ({"mixing_rows": 3}, "multiple of 2"),
    ],
)
def test_rows_that_do_not_fit_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        FinetuneConfig(**values)

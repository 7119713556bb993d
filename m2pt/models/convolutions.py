"""How many operations the gradients of convolutions with groups need: torch's own count takes the weights of all groups for one.

torch 2 counts a gradient of the weight as if every input channel met every output channel, which for a depthwise convolution of C
channels is C times too much; all other counts are right, and are torch's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import conv_backward_flop

Shape = Sequence[int]


def backward_flop(
    grad_out: Shape,
    x: Shape,
    weight: Shape,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    output_mask: Sequence[bool],
    out_shape: Any = None,
    **_: Any,
) -> int:
    """The operations of both gradients that are asked for."""
    given: Any = (grad_out, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    masks = ([output_mask[0], False, False], [False, output_mask[1], False])
    count: Callable[..., int] = conv_backward_flop
    of_input, of_weight = (count(*given, mask, out_val=out_shape) for mask in masks)
    return of_input + of_weight // groups


FORMULAS: dict[Any, Callable[..., int]] = {torch.ops.aten.convolution_backward: backward_flop}
"""What torch's counter is given in place of its own formulas."""

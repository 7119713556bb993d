"""Rival: start from a weighted mean of the target's and the auxiliary's blocks, the auxiliary's units in the target's order.

Source: *Git Re-Basin* (arXiv 2209.04836): permute the units of one model so that its weights (or its activations) match those of
the other, then interpolate. The function of the auxiliary stays the same (`m2pt.alignment`). Biases and norms are permuted and
interpolated too. `rivals.mix` is the auxiliary's share, as in `interpolation`; the paper's is a half.
"""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe, aligned
from m2pt.methods._declaration import Method
from m2pt.methods.interpolation import start_from_mean
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def permute(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """The auxiliary with its units in the order of the model's, by `rivals.matching`."""
    (auxiliary,) = auxiliaries
    if spec.rivals is None:
        raise ValueError("rebasin_interpolation needs the section rivals")
    return [aligned(auxiliary, model, spec.rivals.matching, probe)]


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from a weighted mean of target and auxiliary, its units in the target's order (Git Re-Basin)",
    rank=195,
    apply=start_from_mean,
    rivals=("mix", "matching"),
    align=permute,
)

"""What `m2pt.methods.rebasin_interpolation` does to a model; the declaration says where it is from."""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe, aligned
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def permute(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """The auxiliary with its units in the order of the model's, by `rivals.matching`."""
    (auxiliary,) = auxiliaries
    if spec.rivals is None:
        raise ValueError("rebasin_interpolation needs the section rivals")
    return [aligned(auxiliary, model, spec.rivals.matching, probe)]

"""What `m2pt.methods.aligned_apart_random` does to a model; the declaration says where it is from."""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe
from m2pt.methods.actions.aligned_pathway import align
from m2pt.methods.actions.random_auxiliary import drawn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def align_drawn(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """A freshly initialised encoder in place of the auxiliary, in the coordinates of the model's blocks."""
    return align(model, spec, [drawn(spec, ()) for _ in auxiliaries], probe)

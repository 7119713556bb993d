"""What `m2pt.methods.aligned_pathway` does to a model; the declaration says where it is from."""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe, aligned
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def align(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """The auxiliaries in the coordinates of the model's blocks, by `pathway.alignment`."""
    if spec.pathway is None:
        raise ValueError(f"{spec.method} needs the section pathway")
    return [aligned(auxiliary, model, spec.pathway.alignment, probe) for auxiliary in auxiliaries]

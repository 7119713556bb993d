"""Control of `aligned_pathway`: random weights, aligned in the same way. If auxiliaries carry knowledge, it must not win.

An alignment chooses among many forms of an auxiliary the one that is nearest to the target, most of them by samples of the
target's data. That alone could help, whatever the auxiliary is. The encoder is the one that `random_auxiliary` draws.
"""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe
from m2pt.methods._declaration import Method
from m2pt.methods.aligned_pathway import align
from m2pt.methods.pathway import join, merge
from m2pt.methods.random_auxiliary import drawn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def align_random(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """A freshly initialised encoder in the coordinates of the model's blocks."""
    return align(model, spec, [drawn(spec, auxiliaries)], probe)


METHOD = Method(
    kind="control",
    takes="random",
    description="a freshly initialised auxiliary in the target's coordinates",
    rank=45,
    apply=join,
    merge=merge,
    pathway={"order": "normal"},
    align=align_random,
)

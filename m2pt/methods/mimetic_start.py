"""Control of `auxiliary_start`: start from blocks whose attention has the form of trained attention, written down without data.

Source: *Mimetic Initialization of Self-Attention Layers* (arXiv 2305.09828); `m2pt.methods.mimetic` says how the weights are
made. If blocks of another modality are a better start than random ones because any trained attention is one, so are these.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.auxiliary_start import start_from_auxiliary
from m2pt.methods.mimetic import mimetic_encoder
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def start_from_mimetic(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with those of an encoder with mimetic attention, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} takes no auxiliary")
    start_from_auxiliary(model, spec, [mimetic_encoder(spec.model, drawn_seed(spec, "mimetic"))])


METHOD = Method(
    kind="control",
    takes="nothing",
    description="start from blocks with mimetic attention: of the form of trained attention, written down without data",
    rank=224,
    apply=start_from_mimetic,
)

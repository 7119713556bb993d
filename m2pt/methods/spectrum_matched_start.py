"""Control of `auxiliary_start`: start from the auxiliary's blocks, with random singular vectors in each of their matrices.

Singular values, biases and norm layers are the trained ones, while the directions that the matrices have learned are gone. A gain
over this control needs structure beyond the spectrum of trained weights; `shuffled_start` does not keep the spectrum.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.auxiliary_start import start_from_auxiliary
from m2pt.methods.spectrum_matched import turn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def start_from_turned(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, their singular vectors drawn with the run's seed."""
    turn(auxiliaries, drawn_seed(spec, "spectrum matched"))
    start_from_auxiliary(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's blocks, with random singular vectors in each matrix",
    rank=222,
    apply=start_from_turned,
)

"""Control of `auxiliary_start`: start from the auxiliary's blocks with the entries of each of their matrices shuffled.

Norms, biases and norm layers are the trained ones, while what the matrices have learned is gone. A gain over this control cannot
come from the size of trained weights alone.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.auxiliary_start import start_from_auxiliary
from m2pt.methods.shuffled_auxiliary import shuffle
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_from_shuffled(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, shuffled with the run's seed."""
    shuffle(auxiliaries, spec.seed)
    start_from_auxiliary(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's blocks, the entries of each matrix shuffled",
    rank=220,
    apply=start_from_shuffled,
)

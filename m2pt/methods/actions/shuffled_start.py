"""What `m2pt.methods.shuffled_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.auxiliary_start import start_from_auxiliary
from m2pt.methods.actions.shuffled_auxiliary import shuffle
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_from_shuffled(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, shuffled with the run's seed."""
    shuffle(auxiliaries, spec.seed)
    start_from_auxiliary(model, spec, auxiliaries)

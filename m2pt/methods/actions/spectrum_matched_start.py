"""What `m2pt.methods.spectrum_matched_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.auxiliary_start import start_from_auxiliary
from m2pt.methods.actions.spectrum_matched import turn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def start_from_turned(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, their singular vectors drawn with the run's seed."""
    turn(auxiliaries, drawn_seed(spec, "spectrum matched"))
    start_from_auxiliary(model, spec, auxiliaries)

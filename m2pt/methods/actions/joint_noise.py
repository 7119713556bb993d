"""What `m2pt.methods.joint_noise` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.companion import add_companion
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def share_blocks_with_noise(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the noise share all of the target's blocks."""
    add_companion(model, spec, auxiliaries, own=False)

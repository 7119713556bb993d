"""What `m2pt.methods.joint_training` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.companion import add_companion
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def share_blocks(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the auxiliary's modality share all of the target's blocks."""
    add_companion(model, spec, auxiliaries, own=False)

"""What `m2pt.methods.attention_copy` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.attention_maps import add_teacher
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def copy_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the auxiliary's maps replace those of the target's blocks, but for the last quarter of them."""
    from m2pt.methods.actions.taught_attention import CopiedAttention

    del spec
    add_teacher(model, auxiliaries, CopiedAttention, always=True)

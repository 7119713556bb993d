"""Rival: the target's blocks gather their own values by the auxiliary's attention maps.

Source: attention copy of *On the Surprising Effectiveness of Attention Transfer for Vision Transformers* (arXiv 2411.09702);
`m2pt.methods._attention_maps` says what differs here. The final model needs the auxiliary, so it is not a plain one.
"""

from collections.abc import Sequence
from functools import partial

from m2pt.methods._attention_maps import add_teacher, refusal
from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def copy_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the auxiliary's maps replace those of the target's blocks, but for the last quarter of them."""
    from m2pt.methods._taught_attention import CopiedAttention

    del spec
    add_teacher(model, auxiliaries, CopiedAttention, always=True)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the target's own values, gathered by the frozen auxiliary's attention maps (attention copy)",
    rank=172,
    apply=copy_attention,
    tunings=("full",),
    refusal=partial(refusal, "attention_copy"),
)

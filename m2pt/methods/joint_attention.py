"""Rival: the target is trained with the auxiliary's modality; attention is shared, norms and feed-forward layers are not.

Sources: blocks with shared self-attention and a feed-forward layer for each modality are those of VLMo (arXiv 2111.02358, section
3.1) and ONE-PEACE (arXiv 2305.11172); norms of their own those of Mixture-of-Transformers (arXiv 2411.04996), which in addition
has attention matrices for each modality. There, tokens of both modalities attend to each other in one sequence; here samples
belong to no pairs, so each modality attends to itself, with the same weights.

The shared attention starts as the target's; the auxiliary's tokenizer, norms and feed-forward layers as those of its encoder.
Steps, batches and the final model are those of `joint_training`.
"""

from collections.abc import Sequence

from m2pt.methods._companion import add_companion, drop_companion, outputs, refusal
from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def share_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the auxiliary's modality share the attention of the target's blocks."""
    add_companion(model, spec, auxiliaries, own=True)


METHOD = Method(
    kind="rival",
    takes="each",
    description="trained on both modalities, attention shared, norms and feed-forward layers not (VLMo, ONE-PEACE)",
    rank=218,
    apply=share_attention,
    merge=drop_companion,
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=refusal,
    reads_auxiliary_samples=True,
    auxiliary_outputs=outputs,
)

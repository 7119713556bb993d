"""Rival: the target is trained with the auxiliary's modality; attention is shared, norms and feed-forward layers are not.

Sources: blocks with shared self-attention and a feed-forward layer for each modality are those of VLMo (arXiv 2111.02358, section
3.1) and ONE-PEACE (arXiv 2305.11172); norms of their own those of Mixture-of-Transformers (arXiv 2411.04996), which in addition
has attention matrices for each modality. There, tokens of both modalities attend to each other in one sequence; here samples
belong to no pairs, so each modality attends to itself, with the same weights.

The shared attention starts as the target's; the auxiliary's tokenizer, norms and feed-forward layers as those of its encoder.
Steps, batches and the final model are those of `joint_training`.
"""

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_both_samples


def _actions() -> Actions:
    from m2pt.methods.actions.companion import drop_companion, outputs
    from m2pt.methods.actions.joint_attention import share_attention

    return Actions(share_attention, merge=drop_companion, auxiliary_outputs=outputs)


METHOD = Method(
    kind="rival",
    takes="each",
    description="trained on both modalities, attention shared, norms and feed-forward layers not (VLMo, ONE-PEACE)",
    rank=218,
    actions=_actions,
    needs="attention",
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=without_both_samples,
    reads_auxiliary_samples=True,
)

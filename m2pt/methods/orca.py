"""Rival: the target's tokenizer is first aligned to the auxiliary's modality, then everything is fine-tuned from its blocks.

Source: ORCA, *Cross-Modal Fine-Tuning: Align then Refine* (arXiv 2302.05738, section 3): the embedder of the target is trained to
minimise the optimal transport dataset distance (OTDD) between the features of the target's samples and those of samples of the
modality that the blocks were pretrained on, then all weights are fine-tuned. `m2pt.methods.actions.dataset_distance` has the
distance.

As in the released code, the features of a sample are the mean of its tokens, as the blocks get them; those of the auxiliary's
samples come from its own tokenizer, which stays as it is. Here each step of the alignment compares 128 samples of each
modality, drawn with balanced classes and not augmented; the paper passes over all samples, class by class.

The alignment is counted: it is the first `rivals.alignment_steps` of the run's steps, so that a run has as many steps as the
baseline's, and one learning-rate schedule. In these steps no other weight changes; `train/loss` is measured, not minimised. The
optimizer's moments start anew after them.
"""

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_both_samples


def _actions() -> Actions:
    from m2pt.methods.actions.orca import ROWS, alignment, drop_source, start_from_blocks

    return Actions(start_from_blocks, merge=drop_source, alignment=alignment, alignment_rows=ROWS)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the tokenizer aligned to the auxiliary's modality, then everything tuned from its blocks (ORCA)",
    rank=211,
    actions=_actions,
    needs="tokens",
    rivals=("alignment_steps",),
    tunings=("full",),
    refusal=without_both_samples,
    reads_auxiliary_samples=True,
)

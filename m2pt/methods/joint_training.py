"""Rival: the target is trained with the auxiliary's modality, through the same blocks, on samples that belong to no pairs.

Source: UML, *Better Together: Leveraging Unpaired Multimodal Data for Stronger Unimodal Models* (arXiv 2510.08492): one network
processes batches of both modalities, and each step minimises the sum of both losses, the auxiliary's with a weight
(`rivals.joint_weight`). Blocks shared by all modalities are also those of VATT (arXiv 2104.11178). Here each modality keeps its
own tokenizer, final norm and head, since their classes differ; UML shares the classifier where the classes are the same.

The blocks start as the target's, the auxiliary's tokenizer as that of its encoder. Each step takes one batch of the target, the
same as the baseline's, and one of the auxiliary's train split: as many steps as the baseline at about twice the computation. Only
the target is scored; the auxiliary's ends are dropped in the end.
"""

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_both_samples


def _actions() -> Actions:
    from m2pt.methods.actions.companion import drop_companion, outputs
    from m2pt.methods.actions.joint_training import share_blocks

    return Actions(share_blocks, merge=drop_companion, auxiliary_outputs=outputs)


METHOD = Method(
    kind="rival",
    takes="each",
    description="trained on both modalities through the same blocks, on unpaired samples (UML)",
    rank=216,
    actions=_actions,
    needs="tokens",
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=without_both_samples,
    reads_auxiliary_samples=True,
)

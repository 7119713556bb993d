"""Rival: the target is trained with the auxiliary's modality, through the same blocks, on samples that belong to no pairs.

Source: UML, *Better Together: Leveraging Unpaired Multimodal Data for Stronger Unimodal Models* (arXiv 2510.08492): one network
processes batches of both modalities, and each step minimises the sum of both losses, the auxiliary's with a weight
(`rivals.joint_weight`). Blocks shared by all modalities are also those of VATT (arXiv 2104.11178). Here each modality keeps its
own tokenizer, final norm and head, since their classes differ; UML shares the classifier where the classes are the same.

The blocks start as the target's, the auxiliary's tokenizer as that of its encoder. Each step takes one batch of the target, the
same as the baseline's, and one of the auxiliary's train split: as many steps as the baseline at about twice the computation. Only
the target is scored; the auxiliary's ends are dropped in the end.
"""

from collections.abc import Sequence

from m2pt.methods._companion import add_companion, drop_companion, outputs, refusal
from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def share_blocks(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the auxiliary's modality share all of the target's blocks."""
    add_companion(model, spec, auxiliaries, own=False)


METHOD = Method(
    kind="rival",
    takes="each",
    description="trained on both modalities through the same blocks, on unpaired samples (UML)",
    rank=216,
    apply=share_blocks,
    merge=drop_companion,
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=refusal,
    reads_auxiliary_samples=True,
    auxiliary_outputs=outputs,
)

"""Control of `joint_training`: the target is trained with noise in place of the auxiliary's samples.

Tokenizer, labels, batches, steps and weights of the losses are those of `joint_training`. Each value of a sample has the mean and
the spread that it has in the auxiliary's train split, and is independent of all others and of the labels
(`m2pt.training.without_signal`). A second loss alone, and what it regularises, is here too; what can be learned from the samples
of the modality is not. So a gain of `joint_training` over this control needs structure of the samples, and a gain over the
baseline says whether it is worth anything.
"""

from collections.abc import Sequence

from m2pt.methods._companion import add_companion, drop_companion, outputs, refusal
from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def share_blocks_with_noise(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Let the noise share all of the target's blocks."""
    add_companion(model, spec, auxiliaries, own=False)


METHOD = Method(
    kind="control",
    takes="each",
    description="trained on the target and on noise like the auxiliary's samples, through the same blocks",
    rank=219,
    apply=share_blocks_with_noise,
    merge=drop_companion,
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=refusal,
    reads_auxiliary_samples=True,
    auxiliary_samples_are_noise=True,
    auxiliary_outputs=outputs,
)

"""Control of `joint_training`: the target is trained with noise in place of the auxiliary's samples.

Tokenizer, labels, batches, steps and weights of the losses are those of `joint_training`. Each value of a sample has the mean and
the spread that it has in the auxiliary's train split, and is independent of all others and of the labels
(`m2pt.training.without_signal`). A second loss alone, and what it regularises, is here too; what can be learned from the samples
of the modality is not. So a gain of `joint_training` over this control needs structure of the samples, and a gain over the
baseline says whether it is worth anything.
"""

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_both_samples


def _actions() -> Actions:
    from m2pt.methods.actions.companion import drop_companion, outputs
    from m2pt.methods.actions.joint_noise import share_blocks_with_noise

    return Actions(share_blocks_with_noise, merge=drop_companion, auxiliary_outputs=outputs)


METHOD = Method(
    kind="control",
    takes="each",
    description="trained on the target and on noise like the auxiliary's samples, through the same blocks",
    rank=219,
    actions=_actions,
    needs="tokens",
    rivals=("joint_weight",),
    tunings=("full",),
    refusal=without_both_samples,
    reads_auxiliary_samples=True,
    auxiliary_samples_are_noise=True,
)

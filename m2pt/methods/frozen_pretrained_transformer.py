"""Rival: the auxiliary's blocks in the target model, frozen but for their layer norms.

Source: *Pretrained Transformers as Universal Computation Engines* (arXiv 2103.05247, section 2.2): self-attention and
feed-forward layers of a transformer of another modality stay as they are; input layer, position embeddings, layer norms and
output layer are trained. Here the tokenizer is the input layer (in the shared form its position code is fixed), and the norms of
the blocks start as the auxiliary's. What fine-tuning adds to blocks (`finetune.blocks`) is new and belongs to no
pretrained encoder, so it is trained too. The tokenizer starts as the target's setting says, which for `scratch` is the paper's
fresh input layer.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.frozen_pretrained_transformer import freeze_all_but_norms

    return Actions(freeze_all_but_norms)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the auxiliary, frozen but for its layer norms, between the target's tokenizer and head (FPT)",
    rank=155,
    actions=_actions,
    needs="layer norms",
    tunings=("full",),
)

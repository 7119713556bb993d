"""Rival: the auxiliary's frozen blocks between the target's tokenizer and head.

Source: *Meta-Transformer* (arXiv 2307.10802, section 3): one frozen encoder serves all modalities; a tokenizer and a head are
trained.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.frozen_encoder import freeze_auxiliary

    return Actions(freeze_auxiliary)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the frozen auxiliary between the target's tokenizer and head (Meta-Transformer)",
    rank=150,
    actions=_actions,
)

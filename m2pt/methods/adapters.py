"""Rival: the auxiliary's frozen blocks with bottleneck adapters, between the target's tokenizer and head.

Source: *Any2Point* (arXiv 2404.07989, section 3): a frozen encoder of any modality, tuned for point clouds by small modules in
its blocks. The adapters are those of Houlsby et al. (arXiv 1902.00751), after the attention and after the MLP; they start
as the identity.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.adapters import add_adapters

    return Actions(add_adapters)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the frozen auxiliary with bottleneck adapters (Any2Point)",
    rank=160,
    actions=_actions,
    needs="attention",
    rivals=("adapter_width",),
    tunings=("full",),
)

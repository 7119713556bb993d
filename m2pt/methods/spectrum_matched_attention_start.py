"""Control of `attention_start`: start from the auxiliary's attention, with random singular vectors in each of its matrices.

Singular values, biases and the norms before the attention are the trained ones; the MLPs stay the target's. A gain of
`attention_start` over this control needs structure of the attention beyond its spectrum. `spectrum_matched_start` takes all of
the blocks, with the same vectors.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.spectrum_matched_attention_start import start_from_turned_attention

    return Actions(start_from_turned_attention)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's attention alone, with random singular vectors in each matrix",
    rank=223,
    actions=_actions,
    needs="attention",
)

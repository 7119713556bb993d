"""Control of `auxiliary_start`: start from blocks whose attention has the form of trained attention, written down without data.

Source: *Mimetic Initialization of Self-Attention Layers* (arXiv 2305.09828); `m2pt.methods.mimetic` says how the weights are
made. If blocks of another modality are a better start than random ones because any trained attention is one, so are these.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.mimetic_start import start_from_mimetic

    return Actions(start_from_mimetic)


METHOD = Method(
    kind="control",
    takes="nothing",
    description="start from blocks with mimetic attention: of the form of trained attention, written down without data",
    rank=224,
    actions=_actions,
    needs="attention",
)

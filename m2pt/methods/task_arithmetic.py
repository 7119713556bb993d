"""Rival: add to the target's blocks what the auxiliary learned in its last training, and fine-tune everything.

Source: *Editing Models with Task Arithmetic* (arXiv 2212.04089): a task vector is the difference between an encoder after and
before its training. Here it belongs to another modality: the auxiliary minus the encoder that it was trained from.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.task_arithmetic import add_task_vector

    return Actions(add_task_vector)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the target plus what the auxiliary learned last",
    rank=200,
    actions=_actions,
    rivals=("mix",),
    adds_what_was_learned=True,
)

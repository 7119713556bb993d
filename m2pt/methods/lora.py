"""Rival: low-rank adaptation of the target's own blocks, without an auxiliary, merged at the end.

Source: *LoRA* (arXiv 2106.09685), by the library peft. Of the blocks only the low-rank matrices are trained; tokenizer, norm
and head are trained as usual.
"""

import importlib.util

from m2pt.methods._declaration import Actions, Method
from m2pt.runs.spec import RunSpec


def refusal(spec: RunSpec) -> str | None:
    """It needs an optional package."""
    del spec
    if importlib.util.find_spec("peft") is not None:
        return None
    return "sweep.methods: lora needs the package peft; install m2pt with its extra requirements `rivals`."


def _actions() -> Actions:
    from m2pt.methods.actions.lora import add_low_rank, merge

    return Actions(add_low_rank, merge=merge)


METHOD = Method(
    kind="rival",
    takes="nothing",
    description="low-rank adaptation of the target, no auxiliary (LoRA, by peft)",
    rank=180,
    actions=_actions,
    rivals=("lora_rank", "lora_alpha"),
    tunings=("full",),
    refusal=refusal,
)

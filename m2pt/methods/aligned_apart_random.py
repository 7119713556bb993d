"""Control of `aligned_apart`: random blocks behind the tokenizer of the very encoder that it takes, aligned in the same way.

All alignments but `weights` compare the blocks of the target and of the auxiliary on the run's samples, and those of
`aligned_apart` read them through the auxiliary's own tokenizer, which was trained. `aligned_random` has no tokenizer and reads
the target's tokens. Here the tokens are those of `aligned_apart` and the blocks those of `aligned_random`. A gain over this does
not come from the tokenizer, nor from the alignment alone.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.aligned_apart_random import align_drawn
    from m2pt.methods.actions.own import join_own
    from m2pt.methods.actions.pathway import merge

    return Actions(join_own, merge=merge, align=align_drawn)


METHOD = Method(
    kind="control",
    takes="own",
    description="fresh blocks behind the tokenizer of the auxiliary of `aligned_apart`, in the target's coordinates",
    rank=86,
    actions=_actions,
    needs="one residual stream of tokens",
    pathway={"order": "normal"},
    lineage="apart",
    control="aligned_random",
    aligns=True,
)

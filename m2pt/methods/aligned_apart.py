"""Control: a pathway from an own-modality encoder that was pretrained apart, brought into the target's coordinates.

It takes the encoder that `own_apart` takes, and aligns it as `aligned_pathway` does. If a pathway between encoders that were
pretrained apart passes on nothing because their units do not correspond, this must win, and win over `aligned_random`.
"""

from m2pt.methods._declaration import Method
from m2pt.methods._own import join_own
from m2pt.methods.aligned_pathway import align
from m2pt.methods.pathway import merge

METHOD = Method(
    kind="control",
    takes="own",
    description="an auxiliary of the target's own modality, pretrained apart, in the target's coordinates",
    rank=84,
    apply=join_own,
    merge=merge,
    pathway={"order": "normal"},
    random_auxiliary_is_control=True,
    lineage="apart",
    align=align,
    control="aligned_random",
)

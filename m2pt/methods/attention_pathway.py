"""Claim, in part of the layers: the pathway in the attention layers alone, with an auxiliary of another modality.

Next to `pathway` and the other half, it says which layers of the auxiliary a gain comes from. The paper's Table 5 asks this of
single layers (CVPR 2024, arXiv 2401.14405), here by `pathway.layers`.
"""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import joins

METHOD = Method(
    kind="claim",
    takes="each",
    description="the pathway in the attention layers alone",
    rank=22,
    actions=joins,
    needs="attention",
    pathway={"layers": ("attn.qkv", "attn.proj")},
    maps=True,
)

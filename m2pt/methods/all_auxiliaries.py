"""Claim: the pathway from the encoders of all other modalities at once, with a scale for each of them."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import joins

METHOD = Method(
    kind="claim",
    takes="all",
    description="the pathway with all other modalities at once, a scale for each",
    rank=30,
    actions=joins,
    pathway={},
    maps=True,
)

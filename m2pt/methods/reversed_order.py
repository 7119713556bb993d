"""Control: the pathway with the auxiliary's blocks in reversed order. If depth matters, it must not win."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge

METHOD = Method(
    kind="control",
    takes="each",
    description="the auxiliary's blocks in reversed order",
    rank=60,
    apply=join,
    merge=merge,
    pathway={"order": "reversed"},
    random_auxiliary_is_control=True,
)

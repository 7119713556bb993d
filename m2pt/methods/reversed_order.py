"""Control: the pathway with the auxiliary's blocks in reversed order. If depth matters, it must not win."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import joins

METHOD = Method(
    kind="control",
    takes="each",
    description="the auxiliary's blocks in reversed order",
    rank=60,
    actions=joins,
    needs="equal shapes in all blocks",
    pathway={"order": "reversed"},
    random_auxiliary_is_control=True,
    maps=True,
)

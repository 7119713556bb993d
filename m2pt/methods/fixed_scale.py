"""Control: scales fixed at 0.01, as in Table 5 of the paper."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import joins

METHOD = Method(
    kind="control",
    takes="each",
    description="λ fixed at 0.01, auxiliary weights trained",
    rank=110,
    actions=joins,
    pathway={"scale_init": 0.01, "scale_trainable": False},
    maps=True,
)

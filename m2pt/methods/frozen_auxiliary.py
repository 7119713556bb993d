"""Control: the pathway with trained scales and frozen auxiliary weights."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import joins

METHOD = Method(
    kind="control",
    takes="each",
    description="λ trained, auxiliary weights frozen",
    rank=120,
    actions=joins,
    pathway={"auxiliary_trainable": False},
    maps=True,
)

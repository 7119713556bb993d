"""Control: scales frozen at 0, so that a run must equal the baseline's bit for bit."""

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import merge
from m2pt.methods.random_auxiliary import join_random

METHOD = Method(
    kind="control",
    takes="random",
    description="λ frozen at 0: equals the baseline bit for bit",
    rank=100,
    apply=join_random,
    merge=merge,
    pathway={"scale_init": 0.0, "scale_trainable": False, "auxiliary_trainable": False},
)

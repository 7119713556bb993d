"""Ways to use (or not to use) an auxiliary under the same budget.

Each file holds one function of the same form: it gets a freshly built target model, the spec of the run and the auxiliary
encoder (None where the spec names no auxiliary weights), and changes the model in place.
"""

from collections.abc import Callable

from m2pt.config import MethodName
from m2pt.encoder import Encoder
from m2pt.identity import RunSpec
from m2pt.methods.baseline import baseline
from m2pt.methods.own_modality import own_modality
from m2pt.methods.pathway import pathway
from m2pt.methods.random_auxiliary import random_auxiliary
from m2pt.model import Model

Method = Callable[[Model, RunSpec, Encoder | None], None]

METHODS: dict[MethodName, Method] = {
    "baseline": baseline,
    "pathway": pathway,
    "random_auxiliary": random_auxiliary,
    "own_modality": own_modality,
}

"""What is counted in simulated reports, and its bound."""

from typing import Literal, NamedTuple

Side = Literal["at most", "at least", "given"]
ERROR = 0.05


class Measure(NamedTuple):
    """What is counted: a share of studies, or a mean share, and its bound. A `given` one has none: it is only told."""

    name: str
    side: Side = "at most"
    bound: float = ERROR

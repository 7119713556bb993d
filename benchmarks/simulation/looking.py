"""A seed is added to a study until its report claims something."""

import functools
from collections.abc import Iterator

import numpy as np

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.looks import Look, look, objection
from m2pt.runs.validity import Validity

from .measures import Measure
from .reports import report
from .studies import Simulated, World, simulate

LAST = 20
"""The most seeds that anybody has patience for."""

PLANNED = 10
"""The number of seeds that the sequential design is made for."""

_QUESTION = "image-from-audio"


def looking(world: World, seeds: int, rng: np.random.Generator, design: str) -> Iterator[tuple[Measure, float]]:
    """Reports with these seeds first and then with one more each time, until one makes a false primary claim."""
    whole, looks = simulate(world, LAST, rng), list[Look]()
    false, refused = False, 0
    for count in range(seeds, LAST + 1):
        study = declared(design, count)
        now = look(study, {_QUESTION: count}, f"2026-01-{count:02}")
        validity = Validity(seen=objection(now, looks))
        looks.append(now)
        refused += bool(validity.refusal)
        part = Simulated(whole.table[whole.table["seed"] < count], whole.truth, {})
        false = any(claim.is_false(part) for claim in report(part, study, validity).primary)
        if false:
            break
    yield Measure("a false primary claim at any look"), float(false)
    if design == "fixed" and not false:
        yield Measure("later looks that are refused", "at least", 1.0), refused / (LAST - seeds)


@functools.cache
def declared(design: str, seeds: int, smallest: float | None = None, questions: bool = False) -> Study:
    """A study with this design and number of seeds, with this smallest difference of interest, and with questions of its own."""
    words = f"{{seeds: sequential, planned: {PLANNED}}}" if design == "sequential" else "{seeds: fixed}"
    words = words if smallest is None else words[:-1] + f", smallest_difference: {smallest}}}"
    asked = "[{method: own_apart}, {method: pathway, over: baseline}]"
    words = words[:-1] + f", questions: {asked}}}" if questions else words
    encoder = f"{{kind: mae, seeds: {list(range(seeds))}}}" if questions else "{kind: mae}"
    text = f"study: simulated\ndata: {{embedded: {{}}}}\nencoders: {{mae: {encoder}}}\ndesign: {words}\n"
    methods = "[baseline, pathway, random_auxiliary, own_apart]" if questions else "[baseline, pathway, random_auxiliary]"
    sweep = f"sweep: {{seeds: {list(range(seeds))}, methods: {methods}, auxiliary_encoder: mae}}\n"
    return parse_study(text + sweep, "simulated.yaml")

"""The lineage of a pathway: whether target and auxiliary go on from a common encoder.

Weights of encoders that were trained from one initialisation correspond to each other, those of encoders trained apart do not;
so a gain from an auxiliary of the target's lineage says nothing about auxiliaries of others. The model of another run goes on
from what that run started from and added (`m2pt.runs.ancestry`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from m2pt.config.base import RANDOM
from m2pt.config.encoders import EncoderSource, GivenSource, LabelsSource, RunSource
from m2pt.runs.ancestry import Ancestry, ancestry
from m2pt.runs.spec import EncoderKey, RunSpec, WeightsRef

Lineage = Literal["same", "apart", "unknown"]
"""Target and auxiliary go on from a common encoder; were pretrained apart; or come from files, which do not say."""

Encoders = Mapping[str, EncoderSource]
"""The sources of a study's encoders, by name."""


def start_of(encoders: Encoders, key: EncoderKey) -> EncoderKey | None:
    """The encoder that one was trained further from; None if it was trained from its initialisation, or comes from a file."""
    source = encoders[key.source]
    if not isinstance(source, LabelsSource) or source.start == RANDOM:
        return None
    start = encoders[source.start]
    seed = None if isinstance(start, GivenSource) else start.of_replicate(source.replicate_of(key.seed))
    return EncoderKey(source.start, key.modality, seed)


def root(encoders: Encoders, key: EncoderKey) -> EncoderKey:
    """The first encoder of a lineage: that which an encoder goes on from, or itself."""
    start = start_of(encoders, key)
    return key if start is None else root(encoders, start)


def relation(encoders: Encoders, first: EncoderKey, second: EncoderKey) -> Lineage:
    """How two encoders of a study are related, as far as the study says.

    Files and runs are the same where they have the same path; a file could go on from any other, so nothing more is known of it.
    """
    files = [_path(encoders, key) for key in (first, second)]
    if any(files):
        return "same" if files[0] == files[1] else "unknown"
    return "same" if root(encoders, first) == root(encoders, second) else "apart"


def lineage(encoders: Encoders, spec: RunSpec) -> Lineage | None:
    """The lineage of a run; None if it loads no auxiliary. Of several auxiliaries, the closest counts."""
    if not spec.auxiliary_refs:
        return None
    if spec.target_weights is None:
        return "apart"
    return _closest(_related(encoders, spec.target_weights, auxiliary) for auxiliary in spec.auxiliary_refs)


def _related(encoders: Encoders, target: WeightsRef, auxiliary: WeightsRef) -> Lineage:
    ours, theirs = (_ancestry(encoders, reference) for reference in (target, auxiliary))
    if ours.weights & theirs.weights:
        return "same"
    of_runs = any(isinstance(encoders[one.source], RunSource) for one in (target, auxiliary))
    if of_runs and ours.is_whole and theirs.is_whole:
        return "apart"
    return relation(encoders, target.key, auxiliary.key)


def _ancestry(encoders: Encoders, reference: WeightsRef) -> Ancestry:
    """The weights that an encoder goes on from; what is trained in this study is known to it as a whole (`relation`)."""
    source, own = encoders[reference.source], frozenset([reference.sha256] if reference.sha256 else ())
    if isinstance(source, RunSource):
        known = ancestry(Path(source.runs[reference.modality]))
        return Ancestry(known.weights | own, known.is_whole)
    return Ancestry(own, not isinstance(source, GivenSource))


def _closest(relations: Iterable[Lineage]) -> Lineage:
    found = set(relations)
    return "same" if "same" in found else "unknown" if "unknown" in found else "apart"


def _path(encoders: Encoders, key: EncoderKey) -> str | None:
    source = encoders[key.source]
    return source.places.get(key.modality) if isinstance(source, GivenSource) else None

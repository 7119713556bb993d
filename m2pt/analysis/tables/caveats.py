"""What a reader must know to judge a study."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from m2pt.config import RANDOM, Study
from m2pt.methods import METHODS
from m2pt.runs.lineage import Lineage, lineage
from m2pt.runs.spec import RunSpec


def unplanned(study: Study, specs: Sequence[RunSpec]) -> list[str]:
    """The methods that a part asks for and no part can run on a target, because it names too few modalities; in sentences."""
    planned = {(spec.method, spec.target) for spec in specs}
    asked = [pair for part in study.expanded().values() for pair in product(part.sweep.methods, part.sweep.targets)]
    targets: dict[str, list[str]] = {}
    for method, target in dict.fromkeys(asked):
        if (method, target) not in planned and METHODS[method].takes in ("each", "all"):
            targets.setdefault(method, []).append(target)
    return [
        f"`{method}` has no run on {', '.join(names)}: `sweep.auxiliaries` names too few other modalities there."
        for method, names in targets.items()
    ]


def caveats(study: Study, specs: Sequence[RunSpec]) -> list[str]:
    """What a reader must know about the auxiliaries to judge the controls."""
    sentences = unplanned(study, specs)
    name = study.sweep.auxiliary_encoder
    source = study.encoders.get(name)
    if source is not None and source.kind == "labels":
        sentence = f"The auxiliaries come from the source `{name}`, which was trained with labels of their own modality."
        if any(METHODS[spec.method].takes == "own" for spec in specs):
            sentence += (
                " So an own-modality auxiliary has seen labels of the target's own pretraining split, with the same classes: it "
                "is a positive control, not a rival."
            )
        sentences.append(sentence)
    elif name == RANDOM:
        sentences.append("The auxiliaries are random weights themselves: no pair can carry knowledge.")
    return [*sentences, *_lineages(study, specs), *_constant_encoders(study, specs)]


def _lineages(study: Study, specs: Sequence[RunSpec]) -> Iterator[str]:
    """What the study's pathways have in common with their targets: they may differ in that, and a control may lack it."""
    methods = {spec.method for spec in specs}
    if "own_lineage" in methods and "own_apart" not in methods:
        yield (
            "The control `own_lineage` goes on from the target's own encoder, which no auxiliary of another modality does; "
            "without `own_apart` it is not known what the study can detect of encoders that were pretrained apart."
        )
    pairs = [spec for spec in specs if METHODS[spec.method].takes in ("each", "all") and spec.auxiliary_refs]
    runs = Counter(relation for spec in pairs if (relation := lineage(study.encoders, spec)) is not None)
    if len(runs) > 1:
        counts = ", ".join(f"{count} {_LINEAGES[relation]}" for relation, count in sorted(runs.items()))
        yield f"Runs with auxiliaries of other modalities differ in lineage: {counts}. Their averages mix the two."


_LINEAGES: dict[Lineage, str] = {
    "apart": "with encoders that were pretrained apart",
    "same": "with encoders that go on from a common one",
    "unknown": "with files of which it is not known",
}


def _constant_encoders(study: Study, specs: Sequence[RunSpec]) -> Iterator[str]:
    """The encoders that are the same in all replicates of a study that has several."""
    if study.replicates is None:
        return
    refs = [ref for spec in specs for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None]
    constant = dict.fromkeys(f"`{ref.source}`" for ref in refs if ref.seed is None)
    if constant:
        yield (
            f"The encoders of {' and '.join(constant)} are the same in all replicates: what is said of encoders trained like "
            "these holds for other seeds of the other encoders only."
        )

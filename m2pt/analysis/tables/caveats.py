"""What a reader must know to judge a study."""

from collections.abc import Sequence
from itertools import product

from m2pt.config import RANDOM, Study
from m2pt.methods import METHODS
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
        if any(spec.method == "own_modality" for spec in specs):
            sentence += (
                " So an own-modality auxiliary has seen labels of the target's own pretraining split, with the same classes: it "
                "is a positive control, not a rival."
            )
        sentences.append(sentence)
    elif name == RANDOM:
        sentences.append("The auxiliaries are random weights themselves: no pair can carry knowledge.")
    own = [spec for spec in specs if spec.method == "own_modality" and spec.target_weights and spec.auxiliary_weights]
    if any(spec.target_weights == spec.auxiliary_weights for spec in own):
        sentences.append("The own-modality auxiliary is the very encoder that the target starts from: it adds nothing new.")
    return sentences

"""The question of a cell: everything that its results depend on but the draws.

Draws are the fine-tuning seed and the pretraining seeds of the encoders that the cell reaches: those that its runs load, and what
these go on from. A question does not depend on the name of the study, nor on what else the study has: other cells, encoders that
its runs do not reach, or settings that these do not read.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from m2pt.config import GivenSource, Modality, Study
from m2pt.runs.identity import RECIPE_VERSION, canonical
from m2pt.runs.lineage import start_of
from m2pt.runs.spec import EncoderKey, PretrainSpec, RunSpec

_DRAWN = {"seed", "replicate"}


Recipes = Mapping[tuple[str, Modality], str]
"""How each encoder that is trained here is made, whatever its seed: its pretraining in canonical form."""


def recipes(study: Study, trainings: Iterable[PretrainSpec]) -> Recipes:
    """The recipes of the encoders of a study, from their pretrainings; replicates of an encoder share one."""
    return {(item.source, item.modality): canonical(_without_draws(item.model_dump(mode="json"), study)) for item in trainings}


def question(study: Study, spec: RunSpec, recipes: Recipes) -> str:
    """What a run asks, apart from its draws: the same for all runs of a cell, however many seeds there are."""
    reached = {(key.source, key.modality) for key in _keys(study, spec)}
    made = sorted(recipes[encoder] for encoder in reached if encoder in recipes)
    form = _without_draws(spec.model_dump(mode="json"), study)
    return _named(spec, {"version": RECIPE_VERSION, "spec": form, "trainings": made})


def former_question(study: Study, spec: RunSpec) -> str:
    """The same as journals named it that have no `reached`: with all encoders of the study and its whole section `pretrain`."""
    form = _without_draws(spec.model_dump(mode="json"), study)
    made = {name: _recipe(source.model_dump(mode="json")) for name, source in study.encoders.items()}
    pretrain = study.pretrain.model_dump(mode="json")
    return _named(spec, {"version": RECIPE_VERSION, "spec": form, "encoders": made, "pretrain": pretrain})


def reached(study: Study, spec: RunSpec) -> tuple[str, ...]:
    """The names of the encoders that a run reaches."""
    return tuple(sorted({key.source for key in _keys(study, spec)}))


def _keys(study: Study, spec: RunSpec) -> set[EncoderKey]:
    references = (spec.target_weights, spec.auxiliary_weights, *spec.more_weights)
    return set(_with_starts(study, [item.key for item in references if item is not None]))


def _with_starts(study: Study, keys: Iterable[EncoderKey]) -> Iterable[EncoderKey]:
    for key in keys:
        yield key
        if (start := start_of(study.encoders, key)) is not None:
            yield from _with_starts(study, [start])


def _named(spec: RunSpec, document: dict[str, Any]) -> str:
    digest = hashlib.sha256(canonical(document).encode()).hexdigest()[:8]
    origin = f"{spec.target}-from-{spec.auxiliary}" if spec.auxiliary else spec.target
    return f"{origin}-{spec.method}-{spec.setting}-{spec.tuning}-{digest}"


def _recipe(source: dict[str, Any]) -> dict[str, Any]:
    """How an encoder is made, whatever its seed and wherever its files are."""
    return {key: value for key, value in source.items() if key not in ("seed", "seeds", "paths", "runs", "file")}


def _without_draws(form: Any, study: Study) -> Any:
    """A spec without seeds, and without the content of weights that follow from a seed."""
    if isinstance(form, list):
        return [_without_draws(item, study) for item in form]
    if not isinstance(form, dict):
        return form
    drawn = set(_DRAWN)
    if "sha256" in form and not isinstance(study.encoders.get(form.get("source", "")), GivenSource):
        drawn.add("sha256")
    return {key: _without_draws(value, study) for key, value in form.items() if key not in drawn}

"""The settings of a study as its runs have them: what their specs hold and their training reads, whatever else a file says."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from m2pt.analysis.tables.tuning import rates_as_run
from m2pt.config import RANDOM, Study
from m2pt.methods import METHODS, unread
from m2pt.runs.arms import ArmRates, arm_of
from m2pt.runs.identity import canonical
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, without_draw
from m2pt.runs.unread import is_unread, leaves

SCORES = {"last": "the last epoch's weights", "best_val": "the weights with the best validation score"}

Places = dict[str, list[str]]
"""The names that something belongs to, by kind: targets, tunings, methods, parts."""


def settings(
    study: Study,
    parts: Mapping[str, Sequence[RunSpec]],
    pretraining: Sequence[PretrainSpec],
    arms: Sequence[ArmRates] = (),
) -> dict[str, Any]:
    """Everything that decides the runs of a study, as plain data.

    `training`, `pathway` and `rivals` are lists: each form that some runs have, with the targets, tunings, methods and parts of
    these runs. A value that no run reads is left out (`m2pt.runs.unread`). `rates` has what was chosen for each arm of a tuned
    sweep; these values are left out of the lists.
    """
    runs = [(name, spec) for name, specs in parts.items() for spec in _distinct(specs)]
    declared = study.model_dump(mode="json", by_alias=True)
    tuned = {arm.arm: set(arm.trials[0].values) for arm in arms}
    return {
        **{key: declared[key] for key in ("study", "data", "encoders")},
        "pretraining": _forms(
            (_read(spec, "model", "input", "pretrain"), {"sources": spec.source, "modalities": spec.modality})
            for spec in pretraining
        ),
        "training": _forms(
            (
                {
                    "recipe": spec.task.recipe if spec.task else None,
                    **_read(spec, "model", "input", "finetune", besides=tuned.get(arm_of(part, spec), ())),
                },
                {"targets": spec.target, "tunings": spec.tuning, "parts": part},
            )
            for part, spec in runs
        ),
        "pathway": _forms(
            (_read(spec, "pathway", besides=tuned.get(arm_of(part, spec), ())), _of_method(part, spec))
            for part, spec in runs
            if spec.pathway
        ),
        "rivals": _forms((_read(spec, "rivals"), _of_method(part, spec)) for part, spec in runs if spec.rivals),
        **({"rates": rates_as_run(arms)} if arms else {}),
        **{key: declared[key] for key in ("tasks", "sweep", "parts", "search", "execution") if declared.get(key)},
    }


def _distinct(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The runs without those that differ by seed alone."""
    return list({without_draw(spec).model_dump_json(): spec for spec in specs}.values())


def _of_method(part: str, spec: RunSpec) -> dict[str, str]:
    return {"methods": spec.method, "tunings": spec.tuning, "parts": part}


def _read(spec: Spec, *sections: str, besides: Collection[str] = ()) -> dict[str, Any]:
    """Some sections of a spec, without the values that its run does not read and those at the dotted keys `besides`."""
    reasons, kept = unread(spec), dict[str, Any]()
    document = spec.model_dump(mode="json")
    for section in sections:
        for path, own in leaves(getattr(spec, section), section):
            if path not in besides and is_unread(path, reasons) is None:
                *outer, last = path.split(".")
                into, value = kept, document
                for step in outer:
                    into, value = into.setdefault(step, {}), value[step]
                into[last] = value[last] if last in value else to_jsonable_python(own)  # ids leave some defaults out
    return kept


def _forms(each: Iterable[tuple[dict[str, Any], Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Each distinct form once, with the names that it belongs to; an empty name is left out."""
    forms: dict[str, tuple[dict[str, Any], Places]] = {}
    for form, places in each:
        _, names = forms.setdefault(canonical(form), (form, {}))
        for kind, name in places.items():
            if name and name not in names.setdefault(kind, []):
                names[kind].append(name)
    return [{**{kind: members for kind, members in names.items() if members}, **form} for form, names in forms.values()]


def scored_weights(specs: Sequence[RunSpec]) -> str:
    """Which epoch's weights the scores belong to, in words; where runs differ, with the targets of each."""
    cells_of: dict[str, dict[str, None]] = {}
    for spec in specs:
        cells_of.setdefault(spec.finetune.score, {})[f"{spec.target} {spec.tuning}"] = None
    if len(cells_of) == 1:
        (score,) = cells_of
        return f"{SCORES[score]} ({score})"
    return " or of ".join(f"{SCORES[score]} ({score}: {', '.join(cells)})" for score, cells in cells_of.items())


def starts(specs: Sequence[RunSpec]) -> str:
    """The values at which the scales start, in words; empty where no run has scales."""
    by_value: dict[float, dict[str, None]] = {}
    for spec in specs:
        if spec.pathway is not None:
            by_value.setdefault(spec.pathway.scale_init, {})[spec.method] = None
    if len(by_value) == 1:
        return f"all scales λ start at {next(iter(by_value)):g}"
    values = [f"{value:g} ({', '.join(methods)})" for value, methods in sorted(by_value.items())]
    return f"scales λ start at {' or '.join(values)}" if values else ""


def sources(specs: Sequence[RunSpec]) -> tuple[list[str], list[str]]:
    """The encoders that targets start from, and those that auxiliaries are: names of sources, `random` for fresh weights."""
    targets = dict.fromkeys(spec.target_weights.source if spec.target_weights else RANDOM for spec in specs)
    taken = [spec for spec in specs if METHODS[spec.method].takes != "nothing"]
    return list(targets), list(
        dict.fromkeys(spec.auxiliary_weights.source if spec.auxiliary_weights else RANDOM for spec in taken)
    )

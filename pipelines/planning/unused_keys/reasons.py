"""Why a key of a study file changes no run, and which key to write instead."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from m2pt.config import Study, TaskConfig
from m2pt.methods import METHODS
from m2pt.runs.unread import is_unread
from pipelines.planning.unused_keys.used import UsedKeys

THIS_STUDY = "this study"


@dataclass(frozen=True)
class Reason:
    """Why a key changes no run; `instead` is the key to write in its place (empty: none), `note` what to fill in there."""

    why: str
    instead: str = ""
    note: str = ""


@dataclass(frozen=True)
class UnusedKey:
    """A key, as it is written in the file, that changes no run of `runs_of` (`this study`, `the part NAME`, `its trials`)."""

    key: str
    runs_of: str
    reason: Reason


def sentence(unused: Sequence[UnusedKey]) -> str:
    """One clause on several keys that change no run for the same reason."""
    first, several = unused[0], len(unused) > 1
    keys = ", ".join(item.key for item in unused)
    clause = f"{keys}: {'change' if several else 'changes'} no run of {first.runs_of}, because {first.reason.why}"
    instead = ", ".join(item.reason.instead for item in unused if item.reason.instead)
    return clause + (f"; write {instead}{first.reason.note}" if instead else f"; remove {'them' if several else 'it'}")


def reason_of(study: Study, key: str, used: UsedKeys, runs_of: str = THIS_STUDY) -> Reason:
    """Why a key changes none of the runs that made `used`."""
    if not key.startswith("rivals.") and (why := is_unread(key, used.ignored) or _ignored_inside(key, used)) is not None:
        return Reason(why)
    if not used.present and not key.startswith(_NEEDS_NO_RUNS):
        return Reason("there are none")
    section, _, rest = key.partition(".")
    match section:
        case "finetune":
            return _task_key(_tasks(study), key, "its targets are tasks, which are trained with their own recipes")
        case "inputs":
            return _of_input(study, key)
        case "pretrain":
            return _of_pretraining(key, used, runs_of)
        case "pathway":
            return Reason(f"{_of_pathway(study, rest)} (sweep.methods)")
        case "rivals":
            readers = [name for name, method in METHODS.items() if rest in method.rivals]
            return Reason(f"{_only(readers)} it (sweep.methods)")
        case "tasks" if (why := _of_task(study, rest, used)) is not None:
            return Reason(why)
        case "sweep":
            return Reason(_SWEEP.get(rest, "no run depends on it"))
        case _:
            return Reason(next((why for start, why in _SHARED.items() if key.startswith(start)), "no run reads it"))


def target_without_runs(study: Study, target: str) -> Reason:
    """Why no run has a target."""
    task = study.tasks.get(target)
    if task is None:
        return Reason("no method of sweep.methods can run on it with sweep.auxiliaries")
    return Reason(f"the task only has recipes for {' and '.join(task.recipes)} (sweep.tunings)")


_NEEDS_NO_RUNS = ("encoders", "data", "design", "execution", "study", "tasks", "search", "parts")

_SWEEP = {
    "auxiliaries": "none of its methods takes auxiliaries of other modalities (sweep.methods)",
    "auxiliary_encoder": "none of its methods loads an auxiliary (sweep.methods)",
    "encoder_seeds": "none of its encoders has several `seeds`",
    "no_modality_encoder": "none of its methods takes an encoder that has seen no modality (sweep.methods)",
    "target_encoder": "no target is pretrained (sweep.settings)",
    "tune.scale_lr_multiples": "none of its methods trains scales (sweep.methods)",
}

_SHARED = {
    "encoders": "all parts share the same encoders (declare another encoder and name it in sweep.auxiliary_encoder)",
    "data": "all parts share the same data",
    "design": "the design is that of the complete study (set it outside the parts)",
    "execution": "the runs of all parts are executed in the same way (set it outside the parts)",
    "tasks": "all parts share the same tasks and their data (declare another task)",
}


def _ignored_inside(key: str, used: UsedKeys) -> str | None:
    """Why what is inside a section is ignored."""
    return next((why for ignored, why in used.ignored.items() if ignored.startswith(f"{key}.")), None)


def _only(readers: Sequence[str]) -> str:
    """That no other methods read a key."""
    *others, last = readers
    return f"only {', '.join(others)} and {last} read" if others else f"only {last} reads"


def _tasks(study: Study) -> dict[str, TaskConfig]:
    """The tasks that are targets of the study or of a part."""
    targets = {target for part in study.expanded().values() for target in part.sweep.targets}
    return {name: task for name, task in study.tasks.items() if name in targets}


def _task_key(tasks: dict[str, TaskConfig], key: str, why: str) -> Reason:
    return Reason(why, f"tasks.<name>.{key}", f" (<name>: {', '.join(tasks)})")


def _of_input(study: Study, key: str) -> Reason:
    _, modality, rest = key.split(".", 2)
    tasks = {name: task for name, task in _tasks(study).items() if task.modality == modality}
    if tasks:
        return _task_key(tasks, f"input.{rest}", f"its {modality} targets are tasks, whose recipes set the form of their samples")
    return Reason(f"no run has the target {modality}, and no encoder of that modality is pretrained")


def _of_pretraining(key: str, used: UsedKeys, runs_of: str) -> Reason:
    _, kind, rest = key.split(".", 2)
    if runs_of != THIS_STUDY:
        return Reason(_SHARED["encoders"])
    if f"pretrain.{kind}" in used.present:
        return Reason(f"every encoder of kind {kind} has a value of its own", f"encoders.<name>.{rest}")
    return Reason(f"it uses no encoder of kind {kind}")


def _of_pathway(study: Study, key: str) -> str:
    if key == "alignment" or key.partition(".")[0] == "mapping":
        reads = operator.attrgetter("aligns" if key == "alignment" else "maps")
        readers = [name for name, method in METHODS.items() if reads(method) and method.pathway is not None]
        return f"{_only(readers)} it"
    joining = [method for method in study.sweep.methods if METHODS[method].pathway is not None]
    if not joining:
        return "none of its methods joins weights"
    return f"{' and '.join(joining)} {'sets it itself' if len(joining) == 1 else 'set it themselves'}"


def _of_task(study: Study, key: str, used: UsedKeys) -> str | None:
    """Why a key of a task, without its `tasks.`, changes no run; None where another reason holds."""
    name, _, rest = key.partition(".")
    if name in study.tasks and not used.changes_a_run(f"tasks.{name}"):
        return f"no run has the task {name} as its target (sweep.targets)"
    if rest.startswith("recipes."):
        return f"{name} is not run with that tuning (sweep.tunings)"
    return None

"""Why a key changes no run, and where it would have to stand."""

from collections.abc import Mapping
from dataclasses import dataclass

from m2pt.config import Study, TaskConfig
from m2pt.methods import METHODS
from m2pt.runs.unread import is_unread
from pipelines.planning.unused_keys.reach import Reach


@dataclass(frozen=True)
class Fault:
    """A key that changes no run of what `of` names: why, the key to write instead (empty: none), and more to be known of that."""

    key: str
    of: str
    why: str
    instead: str = ""
    where: str = ""


def sentence(faults: list[Fault]) -> str:
    """Several keys that change no run for one reason."""
    first, many, instead = faults[0], len(faults) > 1, [fault.instead for fault in faults if fault.instead]
    told = (
        f"{', '.join(fault.key for fault in faults)}: {'change' if many else 'changes'} no run of {first.of}, since {first.why}"
    )
    return told + (f"; write {', '.join(instead)}{first.where}" if instead else f"; remove {'them' if many else 'it'}")


def fault(study: Study, key: str, reach: Reach, at: str = "", of: str = "this study") -> Fault:
    """What is to be said of a key that changes no run; `at` is where it stands, if elsewhere, and `of` whose runs are meant."""
    at = at or key
    if not key.startswith("rivals.") and (reason := is_unread(key, reach.idle) or _inside(key, reach.idle)) is not None:
        return Fault(at, of, reason)
    if not reach.present and not key.startswith(_FOR_ALL):
        return Fault(at, of, "there are none")
    section, _, rest = key.partition(".")
    match section:
        case "finetune":
            return Fault(at, of, "its targets are tasks, which train as their recipes say", *_of_tasks(_tasks(study), key))
        case "inputs":
            return _input(study, key, at, of)
        case "pretrain":
            return _pretraining(key, reach, at, of)
        case "pathway":
            joining = [method for method in study.sweep.methods if METHODS[method].pathway is not None]
            sets = f"{' and '.join(joining)} {'sets it itself' if len(joining) == 1 else 'set it themselves'}"
            return Fault(at, of, f"{sets if joining else 'none of its methods joins weights'} (sweep.methods)")
        case "rivals":
            readers = [name for name, method in METHODS.items() if rest in method.rivals]
            return Fault(at, of, f"none of its methods reads it, as {' and '.join(readers) or 'no other'} would (sweep.methods)")
        case "tasks" if (why := _of_task(study, rest, reach)) is not None:
            return Fault(at, of, why)
        case "sweep":
            return Fault(at, of, _SWEEP.get(rest, "no run follows from it"))
        case _:
            return Fault(at, of, next((why for start, why in _ELSEWHERE.items() if key.startswith(start)), "no run reads it"))


def _inside(key: str, reasons: Mapping[str, str]) -> str | None:
    """Why what is inside of a section is not read."""
    return next((reason for inner, reason in reasons.items() if inner.startswith(f"{key}.")), None)


def _of_task(study: Study, key: str, reach: Reach) -> str | None:
    """Why a key of a task, without its `tasks.`, changes none of the runs that are meant; None where another reason holds."""
    name, _, rest = key.partition(".")
    if name in study.tasks and not reach.has(f"tasks.{name}"):
        return f"it has none of the task {name} (sweep.targets)"
    if rest.startswith("recipes."):
        return f"{name} is not tuned so (sweep.tunings)"
    return None


_FOR_ALL = ("encoders", "data", "execution", "study", "tasks", "search", "parts")

_SWEEP = {
    "auxiliaries": "none of its methods takes auxiliaries of other modalities (sweep.methods)",
    "auxiliary_encoder": "none of its methods loads an auxiliary (sweep.methods)",
    "target_encoder": "no target is pretrained (sweep.settings)",
}

_ELSEWHERE = {
    "encoders": "encoders are the same for all parts (declare another one, and name it in sweep.auxiliary_encoder)",
    "data": "the data are the same for all parts",
    "execution": "runs of all parts are executed alike (set it outside of the parts)",
    "tasks": "where data lie, and which tasks there are, is the same for all parts (declare another task)",
}


def _tasks(study: Study) -> dict[str, TaskConfig]:
    used = {target for part in study.expanded().values() for target in part.sweep.targets}
    return {name: task for name, task in study.tasks.items() if name in used}


def _of_tasks(tasks: dict[str, TaskConfig], key: str) -> tuple[str, str]:
    return f"tasks.<name>.{key}", f" (<name>: {', '.join(tasks)})"


def _input(study: Study, key: str, at: str, of: str) -> Fault:
    _, modality, rest = key.split(".", 2)
    tasks = {name: task for name, task in _tasks(study).items() if task.modality == modality}
    if tasks:
        why = f"its {modality} targets are tasks, whose samples come as their recipes say"
        return Fault(at, of, why, *_of_tasks(tasks, f"input.{rest}"))
    return Fault(at, of, f"none has a target or an encoder of its own making of the modality {modality}")


def _pretraining(key: str, reach: Reach, at: str, of: str) -> Fault:
    kind = key.split(".")[1]
    if of != "this study":
        return Fault(at, of, _ELSEWHERE["encoders"])
    if f"pretrain.{kind}" in reach.present:
        return Fault(at, of, f"every encoder of kind {kind} has a value of its own", f"encoders.<name>.{key.split('.', 2)[2]}")
    return Fault(at, of, f"it uses no encoder of kind {kind}")


def no_run_on(target: str, study: Study, at: str, of: str) -> Fault:
    """A target that no run has."""
    task = study.tasks.get(target)
    if task is None:
        return Fault(f"{at}: {target}", of, "no method of sweep.methods can run on it with sweep.auxiliaries")
    return Fault(f"{at}: {target}", of, f"the task has recipes for {' and '.join(task.recipes)} alone (sweep.tunings)")

"""What a run asks of its data set."""

from m2pt.modalities.shared.wanted import Wanted
from m2pt.runs.spec import RunSpec, TaskSpec


def wanted(spec: RunSpec) -> Wanted:
    """The form in which a run needs its samples."""
    task, augment = task_of(spec), spec.finetune.augment
    form = None if isinstance(augment, bool) else augment
    return Wanted(spec.input, form, spec.finetune.test, task.goal, task.variant, task.files)


def task_of(spec: RunSpec) -> TaskSpec:
    """The task of a run on a published data set; no other run has one."""
    if spec.task is None:
        raise ValueError(f"{spec.name}: is not a task on a published data set")
    return spec.task

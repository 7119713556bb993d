"""What a job needs to know about this machine: where its data and weights are, and settings that change no number."""

from m2pt.data.fingerprints import CACHE
from m2pt.runs.inputs import JobInputs
from m2pt.runs.lineage import lineage
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef
from pipelines.planning.folders import data_folder
from pipelines.planning.plan import Plan, data_key

THREADS = 1
"""How many threads a run computes with. With more, its numbers would depend on how many runs there are at the same time."""


def job_inputs(plan: Plan, spec: Spec) -> JobInputs:
    """The inputs of a job: the paths of its data and weights, and the settings that change no number."""

    def path(reference: WeightsRef) -> str:
        return str(plan.weights[reference.key])

    execution = plan.study.execution
    return JobInputs(
        data=str(data_folder(plan.study, data_key(spec))),
        cache=str(CACHE),
        start_weights=path(spec.start) if isinstance(spec, PretrainSpec) and spec.start else None,
        target_weights=path(spec.target_weights) if isinstance(spec, RunSpec) and spec.target_weights else None,
        auxiliary_weights=tuple(map(path, spec.auxiliary_refs)) if isinstance(spec, RunSpec) else (),
        auxiliary_data=str(data_folder(plan.study, spec.auxiliary))
        if isinstance(spec, RunSpec) and spec.auxiliary_data
        else None,
        lineage=lineage(plan.study.encoders, spec) if isinstance(spec, RunSpec) else None,
        threads=THREADS,
        devices=execution.devices_per_job if isinstance(spec, RunSpec) else 1,
        checkpoint_every_epochs=execution.checkpoint_every_epochs,
        checkpoint_every_steps=execution.checkpoint_every_steps,
        checkpoint_every_seconds=execution.checkpoint_every_seconds,
        stop_limit_s=execution.stop_limit_s,
        micro_batch=execution.rows_at_once(spec.target) if isinstance(spec, RunSpec) else None,
        out_of_memory=execution.out_of_memory,
        deterministic=execution.deterministic,
        gradient_checkpointing=execution.gradient_checkpointing,
        loader_workers=execution.loader_workers,
    )

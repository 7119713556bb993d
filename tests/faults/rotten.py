"""A small study whose files are damaged: real encoders and runs, done in this process."""

from pathlib import Path

from m2pt import job
from m2pt.config import Study
from m2pt.runs.inputs import write_inputs
from m2pt.runs.spec import Spec
from m2pt.runs.table import read_table
from m2pt.training.stopping import Stop
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan, resolve

STUDY = """
study: rot
data: {root: data, embedded: {pretrain: 20, train: 40, val: 20, test: 20}}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae}}
pretrain: {mae: {steps: 4, batch_size: 4, warmup_steps: 1}}
finetune: {samples: 20, epochs: 2, batch_size: 10, warmup_steps: 1}
sweep: {seeds: [0], targets: [image], auxiliaries: [point], methods: [baseline, pathway], settings: [pretrained],
        target_encoder: mae, auxiliary_encoder: mae}
"""


def complete(study: Study) -> None:
    """Do what is left of the study, as its flows do."""
    with Session(study, Display()) as session:
        session.tidy()
        for kind in ("pretrain", "runs"):
            plan = session.look_again()
            for spec in plan.unfinished(getattr(plan, kind)):
                do(session, spec)


def do(session: Session, spec: Spec, stop: Stop | None = None) -> None:
    """Do one run in this process, or a part of it."""
    run_dir, inputs = session.assigned(spec)
    write_inputs(run_dir, inputs)
    error = job.run(run_dir, stop=stop)
    assert error is None or (stop is not None and stop.asked), error


def folder_of(plan: Plan, spec: Spec) -> Path:
    """The folder of a run that has one."""
    run_dir = plan.run_dir(spec)
    assert run_dir is not None
    return run_dir


def results(study: Study) -> bytes:
    """The table of runs as a report has it."""
    plan = resolve(study)
    return read_table(plan.compared, runs_folder(study)).to_csv(index=False).encode()

"""What the form of a deployment may hold, beyond what a choice of runs (`choice.py`) can be."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger
from prefect.states import Failed

from m2pt.config import UserError
from m2pt.config.spelling import suggestion
from pipelines.scheduling.notice import tell_end

AS_DECLARED: Final = "as declared"
"""What a form says where the study file is to choose: Prefect's form would show an empty choice as a type of Python's."""


def study_path(given: object) -> Path:
    """The path of a study file, as a form gives it.

    Raises:
        UserError: it can be no path.

    """
    try:
        if isinstance(given, str) and b"\0" not in os.fsencode(given):
            return Path(given)
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can hold
        pass
    raise UserError(f"study: {given!r} is no path of a study file; give one, such as params.yaml.")


def engine_name(given: object) -> str | None:
    """The engine that a form gives; None if it leaves it to the study.

    Raises:
        UserError: it can be no name.

    """
    if given is None or isinstance(given, str):
        return None if given in ("", AS_DECLARED) else given
    raise UserError(f"engine: {given!r} is no name of an engine; choose one, or `{AS_DECLARED}` for that of the study.")


def tell_unknown_fields(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Say what was wrong with a flow run that was started with a field that its flow does not have; a hook for crashed ones.

    Prefect calls no flow that lacks a field of the form, so that the flow itself cannot say it: its process ends with an error.
    """
    known = flow.parameters.properties
    if not (unknown := sorted(flow_run.parameters.keys() - known)):
        return
    failed: State[None] = Failed(message=_sentence(unknown, known))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run.id, failed, force=True)  # crashed is a last state, which is kept without force
    study = Path(str(flow_run.parameters.get("study", "params.yaml"))).stem
    tell_end(study, failed, None, flow_run_logger(flow_run).warning, flow_run.id)


def _sentence(unknown: Collection[str], known: Collection[str]) -> str:
    shown = {name: name if name.isidentifier() else repr(name) for name in unknown}
    faults = [f"{shown[name]}: is no field of the form{suggestion(name, known) or '.'}" for name in unknown]
    return f"{' '.join(faults)} It has {', '.join(known)}."

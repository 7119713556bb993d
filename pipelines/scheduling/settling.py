"""Tells Prefect of flow runs whose process was killed: they end as `Crashed`, and so do their tasks."""

import os
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter, TaskRunFilter
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from pipelines.scheduling.credentials import API_URL, is_own
from pipelines.scheduling.killed import forget, killed

_MESSAGE = "its process was killed; the next start goes on from the last checkpoints"
_GOING_ON = ["PENDING", "RUNNING", "CANCELLING"]


def settle(served: str | None = None) -> str | None:
    """End the flow runs of killed processes as `Crashed`; returns a sentence about them, or None if there are none.

    `served` is a study that this process alone serves from now on: what an earlier runner of it had begun has nobody left.
    """
    left = killed()
    with get_client(sync_client=True) as client:
        ended = [flow_run for flow_run in left if _crash(client, flow_run)]
        if served is not None and is_own(os.environ[API_URL]):
            ended += [flow_run for flow_run in _begun(client, served) if _crash(client, flow_run)]
    for flow_run in left:
        forget(flow_run)
    if not ended:
        return None
    if len(ended) == 1:
        return "1 flow run was still shown as going on, though it was killed; Prefect shows Crashed now."
    return f"{len(ended)} flow runs were still shown as going on, though they were killed; Prefect shows Crashed now."


def _begun(client: SyncPrefectClient, study: str) -> list[UUID]:
    deployment = DeploymentFilter.model_validate({"name": {"any_": [study]}})
    going_on = FlowRunFilter.model_validate({"state": {"type": {"any_": _GOING_ON}}})
    return [run.id for run in client.read_flow_runs(flow_run_filter=going_on, deployment_filter=deployment)]


def _crash(client: SyncPrefectClient, flow_run: UUID) -> bool:
    """End a flow run, and its tasks, unless it has ended or waits to be started."""
    try:
        state = client.read_flow_run(flow_run).state
    except ObjectNotFound:
        return False
    if state is None or state.is_final() or state.is_scheduled() or state.state_details.pause_reschedule:
        return False
    of_this = FlowRunFilter.model_validate({"id": {"any_": [flow_run]}})
    going_on = TaskRunFilter.model_validate({"state": {"type": {"any_": _GOING_ON}}})
    for task_run in client.read_task_runs(flow_run_filter=of_this, task_run_filter=going_on):
        client.set_task_run_state(task_run.id, Crashed(message=_MESSAGE), force=True)
    client.set_flow_run_state(flow_run, Crashed(message=_MESSAGE), force=True)
    return True

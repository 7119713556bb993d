"""What the runs of a plan that are left will cost: where they run, how long they take, and GPU hours on published data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.execution.ray.connection import cluster_address
from pipelines.planning.plan import Plan
from pipelines.planning.refused_runs import without_seed
from pipelines.planning.remaining_time import remaining_seconds
from pipelines.planning.slots import slots

if TYPE_CHECKING:
    from pipelines.planning.estimates import CellEstimate


@dataclass(frozen=True)
class Costs:
    """Costs of the runs that are left and can start; `cells` are those of tasks, with what their estimates assume.

    `seconds` follow from the runs so far, and are None while a method has none.
    """

    slots: list[str]
    seconds: float | None
    cells: "list[CellEstimate]"
    assumption: str | None

    @property
    def gpu_hours(self) -> float | None:
        """The counted hours of all runs on published data that are left; None for a study without such."""
        known = [cell.gpu_hours * cell.left for cell in self.cells if cell.gpu_hours is not None]
        return sum(known, 0.0) if self.cells else None


def costs(plan: Plan, refused: Mapping[str, str]) -> Costs:
    """The costs of a plan; `refused` are the reasons why runs cannot start (`pipelines.planning.refused_runs`)."""
    places = _slots(plan)
    out = [spec for spec in plan.runs if refused and without_seed(spec) in refused]
    seconds = remaining_seconds(plan, len(places), out)
    if all(spec.task is None for spec in plan.runs):
        return Costs(places, seconds, [], None)
    from m2pt.models.costs import assumption  # it counts the operations of models, beside the paper's scores
    from pipelines.planning.estimates import cells

    each = cells(plan, refused)
    return Costs(places, seconds, each, assumption() if each else None)


def _slots(plan: Plan) -> list[str]:
    """The slots of this machine; those of a Ray cluster that runs are known when it is joined."""
    execution = plan.study.execution
    if execution.engine == "slurm":
        return ["jobs of SLURM; the cost is for one after another"]
    if execution.engine == "ray" and (address := cluster_address(execution)):
        return [f"those of the Ray cluster at {address}; the cost is for one"]
    return [slot.name for slot in slots(execution)]

"""The points of runs as MLflow gets them, in as few calls as it allows, and as it has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.tracking.metrics import EPOCH, Point
from pipelines.tracking.publication import Publication

_POINTS_PER_CALL = 1000


@dataclass
class Waiting:
    """What a run is still to get, together: its parameters and tags by name, and groups of points."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    groups: list[Sequence[Point]] = field(default_factory=list)


def in_batches(groups: Sequence[Sequence[Point]], limit: int = _POINTS_PER_CALL) -> Iterator[list[Point]]:
    """Groups of points joined up to the size of one call; only a group above that size is cut."""
    batch: list[Point] = []
    for group in groups:
        if len(batch) + len(group) > limit and batch:
            yield batch
            batch = []
        batch = [*batch, *group]
        while len(batch) > limit:
            yield batch[:limit]
            batch = batch[limit:]
    if batch:
        yield batch


def points_up_to(run: Publication, epoch: int) -> dict[str, set[tuple[int, int, float]]]:
    """Each metric's points (step, time, value) of the epochs up to `epoch`."""
    points: dict[str, set[tuple[int, int, float]]] = {EPOCH: set()}
    for step in (step for step in run.epochs if step <= epoch):
        for point in run.epochs[step]:
            points.setdefault(point.key, set()).add((step, point.time_ms, point.value))
    return points

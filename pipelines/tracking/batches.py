"""Points in as few calls of MLflow as it allows."""

from collections.abc import Iterator, Sequence

from pipelines.tracking.metrics import Point

_POINTS_PER_CALL = 1000


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

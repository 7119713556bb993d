"""A run as MLflow has it, in plain data."""

from dataclasses import dataclass


@dataclass
class StoredRun:
    """What the store has of one run. Its files are at `artifact_uri`; `active` is false once it is deleted."""

    id: str
    artifact_uri: str
    status: str
    started_ms: int
    ended_ms: int | None
    active: bool
    params: set[str]
    tags: dict[str, str]
    metrics: dict[str, float]
    last_epoch: int
    has_data: bool

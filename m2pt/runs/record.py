"""What a run has left behind: its scores and what they belong to."""

from pathlib import Path
from typing import Any

from m2pt.files.documents import read_json
from m2pt.runs.folder import RECORD


def read_record(run_dir: Path) -> dict[str, Any]:
    """The record of a complete run. Raises `UserError` as `read_json`."""
    record: dict[str, Any] = read_json(run_dir / RECORD)
    return record

"""Whether a study that is done owes something to its tracker: it was out of reach, or a kill came between report and publishing.

What was published is noted by the report that it ended with, which is newer than every run. A note that is lost costs one more
publication, which changes nothing.
"""

import os
from contextlib import suppress
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.data.fingerprints import CACHE
from m2pt.files.access import can_write
from m2pt.files.documents import write_atomic
from pipelines.tracking.address import without_password
from pipelines.tracking.sweep import tracked_id
from pipelines.tracking.trackers import VARIABLE


def note_published(study: Study, report: Path) -> None:
    """Note that all of a study and its report are in the tracker."""
    with suppress(OSError, UserError):  # it will be published once more
        write_atomic(_note(study), _state(study, report).encode())


def is_owed(study: Study, report: Path) -> bool:
    """Whether a study that is done was not published since its report was made, to the tracker that is used now."""
    note = _note(study)
    if not can_write(note):
        return False
    try:
        return note.read_text(encoding="utf-8") != _state(study, report)
    except (OSError, UnicodeDecodeError):
        return True


def _note(study: Study) -> Path:
    return CACHE / "published" / f"{study.study}.txt"


def _state(study: Study, report: Path) -> str:
    page = report / "index.html"
    made = page.stat().st_mtime_ns if page.is_file() else 0
    address = without_password(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return f"{os.environ.get(VARIABLE, '')} {address} {tracked_id(study)} {made}\n"

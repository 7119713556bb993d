"""The trackers by name, and which of them is used."""

import os
from collections.abc import Callable

from m2pt.config import UserError
from pipelines.tracking.tracker import Tracker

VARIABLE = "M2PT_TRACKER"
"""The environment variable that chooses the tracker by its name in `TRACKERS`."""

DEFAULT = "mlflow"


def _mlflow(study: str, sweep_id: str) -> Tracker:
    from pipelines.tracking.mlflow_tracker import MlflowTracker  # takes seconds

    return MlflowTracker(study, sweep_id)


Factory = Callable[[str, str], Tracker]
"""Makes a tracker from the name of a study and the id of its sweep."""

TRACKERS: dict[str, Factory] = {"mlflow": _mlflow}
"""Every tracker by its name."""


def chosen_tracker() -> Factory:
    """The tracker that `M2PT_TRACKER` names, MLflow by default.

    Raises:
        UserError: there is no tracker of this name.

    """
    name = os.environ.get(VARIABLE) or DEFAULT
    if name not in TRACKERS:
        raise UserError(f"{VARIABLE}: there is no tracker {name!r}; use one of {', '.join(sorted(TRACKERS))}.")
    return TRACKERS[name]

"""The trackers by name, and which of them is used."""

import os
from collections.abc import Callable

from m2pt.config import UserError
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import Tracker

VARIABLE = "M2PT_TRACKER"
"""The environment variable that chooses the tracker by its name in `TRACKERS`."""

DEFAULT = "mlflow"


def _mlflow(sweep: Sweep) -> Tracker:
    from pipelines.tracking.mlflow_tracker import MlflowTracker  # takes seconds

    return MlflowTracker(sweep)


Factory = Callable[[Sweep], Tracker]
"""Makes a tracker for the sweep of a study."""

TRACKERS: dict[str, Factory] = {"mlflow": _mlflow}
"""Every tracker by its name."""


def chosen_name() -> str:
    """The name of the tracker that is used."""
    return os.environ.get(VARIABLE) or DEFAULT


def chosen_tracker() -> Factory:
    """The tracker that `M2PT_TRACKER` names, MLflow by default.

    Raises:
        UserError: there is no tracker of this name.

    """
    name = chosen_name()
    if name not in TRACKERS:
        raise UserError(f"{VARIABLE}: there is no tracker {name!r}; use one of {', '.join(sorted(TRACKERS))}.")
    return TRACKERS[name]

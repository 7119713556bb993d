"""The columns of MLflow's table of runs that answer, as a saved view: MLflow itself shows none of a study's numbers at first.

A saved view is a tag of the experiment; `?viewStateShareKey=` and its name open it. Its form is that of MLflow 3.
"""

import json

from pipelines.tracking.metrics import GAIN, NO_TIME_MS, RESULT, SCALES, VALIDATION

VIEW = "answers"
"""The name of the view in addresses."""

VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

_TITLE = "Answers first"
_OF_SWEEPS = ("over_random", "over_random_half_width", "own_lineage", "own_apart")
_OF_RUNS = (f"{VALIDATION}/accuracy", f"{RESULT}/test_accuracy", f"{SCALES}/abs_mean")
_ABOUT_RUNS = ("target", "auxiliary", "method", "seed")
_WIDTHS = {"attributes.`Run Name`": 460, f"metrics.`{GAIN}/over_random_half_width`": 215}
_WIDTH = 145


def saved_view() -> str:
    """The value of the tag: first the numbers of a sweep, then the scores of a run, and what the run is."""
    metrics = [f"metrics.`{name}`" for name in (*(f"{GAIN}/{name}" for name in _OF_SWEEPS), *_OF_RUNS)]
    chosen = [*metrics, *(f"tags.`{name}`" for name in _ABOUT_RUNS)]
    order = ["attributes.`Run Name`", *chosen]
    state = {
        "selectedColumns": chosen,
        "columnOrder": order,
        "columnWidths": {name: _WIDTHS.get(name, _WIDTH) for name in order},
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
    }
    return json.dumps({"name": _TITLE, "createdAt": NO_TIME_MS, "updatedAt": NO_TIME_MS, "state": json.dumps(state)})

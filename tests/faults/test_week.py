"""A short week: runs of a millisecond with failures, deaths of workers and kills of the command, on both engines."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.week import MOST_MIB, MOST_OPEN, week

pytestmark = [pytest.mark.patient, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    "engine", ["local", pytest.param("ray", marks=pytest.mark.skipif(not find_spec("ray"), reason="no Ray"))]
)
def test_a_week_of_failures_and_kills_ends_with_the_right_counts(tmp_path: Path, engine: str):
    counted = week(tmp_path, engine, runs=400, seed=1)
    assert counted["runs"] == 400
    assert counted["failures"] > 0 and counted["deaths"] > 0
    assert counted["mib"] < MOST_MIB and counted["open"] < MOST_OPEN

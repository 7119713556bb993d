"""The ledger of a run."""

from datetime import UTC, datetime

import pytest

from m2pt.files import documents
from m2pt.runs.attempts import begin_attempt, current_attempt, end_attempt, read_attempts
from m2pt.runs.folder import ATTEMPT, EXECUTION, TIMES
from tests import run_records

FACTS = {"started": "2026-11-21T11:00:00+00:00", "resumed_from_epoch": 0, "device": "cpu", "devices": 1}
START_MS = round(datetime(2026, 11, 21, 11, tzinfo=UTC).timestamp() * 1000)


def attempts(run_dir):
    return documents.read_json(run_dir / EXECUTION)["attempts"]


def test_an_attempt_that_ended_is_in_the_ledger_once(tmp_path):
    for total in (3.0, 4.0):
        begin_attempt(tmp_path, run_records.attempt(**FACTS))
        end_attempt(tmp_path, run_records.attempt(**FACTS, seconds={"total": total}))
    assert [attempt["seconds"]["total"] for attempt in attempts(tmp_path)] == [3.0, 4.0]


def test_a_killed_attempt_costs_what_it_took_up_to_its_last_epoch(tmp_path):
    begin_attempt(tmp_path, run_records.attempt(**FACTS))
    times = [f'{{"epoch": {epoch}, "time_ms": {START_MS + 2500 * epoch}}}\n' for epoch in (1, 2)]
    documents.write_atomic(tmp_path / TIMES, "".join(times).encode())
    begin_attempt(tmp_path, run_records.attempt(**FACTS | {"started": "2026-11-21T12:00:00+00:00", "resumed_from_epoch": 2}))
    (killed,) = attempts(tmp_path)
    assert killed == FACTS | {"interrupted": True, "seconds": {"total": 5.0}}
    # Killed before its first epoch: the times are those of the attempt before it.
    begin_attempt(tmp_path, run_records.attempt(**FACTS))
    assert attempts(tmp_path)[1]["seconds"] == {"total": 0.0}


def test_what_was_cut_off_with_the_power_does_not_hold_up_the_next_attempt(tmp_path):
    documents.write_atomic(tmp_path / ATTEMPT, b"\0\0\0")
    begin_attempt(tmp_path, run_records.attempt(**FACTS))
    end_attempt(tmp_path, run_records.attempt(**FACTS, seconds={"total": 1.0}))
    assert len(attempts(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"", b"null", b'{"attempts": 3}', b'{"attempts": [{"started": 1}]}', b"\0\0\0"])
def test_a_damaged_ledger_holds_up_nothing_and_is_kept(tmp_path, content):
    for path in (EXECUTION, ATTEMPT):
        documents.write_atomic(tmp_path / path, content)
    assert read_attempts(tmp_path) == () and current_attempt(tmp_path) is None
    end_attempt(tmp_path, run_records.attempt(**FACTS, seconds={"total": 1.0}))
    assert [attempt["seconds"] for attempt in attempts(tmp_path)] == [{"total": 1.0}]
    assert (tmp_path / f"{EXECUTION}.damaged").read_bytes() == content

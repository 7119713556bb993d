"""What a record vouches for: itself, to the last bit, and every file that its run keeps."""

import json
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.runs.damage import damage_of
from m2pt.runs.folder import HISTORY, MERGED, RECONSTRUCTIONS, RECORD, SPEC, create_run, read_spec
from m2pt.runs.record import FinetuneRecord, read_record, write_record
from m2pt.runs.table import read_histories, read_table
from tests.run_records import finetune_document, finetune_record, unsealed
from tests.specs import run_spec

LINES = b'{"epoch": 1, "val/loss": 0.5}\n'


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = create_run(tmp_path, run_spec())
    (made / HISTORY).write_bytes(LINES)
    (made / RECONSTRUCTIONS).write_bytes(b"a picture")
    write_record(made, finetune_record(made.name, files={MERGED: "a" * 64}))
    return made


def test_a_record_speaks_of_every_kept_file(run_dir: Path) -> None:
    assert set(read_record(run_dir).files) == {SPEC, HISTORY, RECONSTRUCTIONS, MERGED}
    assert damage_of(run_dir, FinetuneRecord) is None


def test_every_single_flipped_bit_of_a_record_is_noticed(run_dir: Path) -> None:
    content = (run_dir / RECORD).read_bytes()
    for place in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        (run_dir / RECORD).write_bytes(damaged)
        with pytest.raises(UserError, match=RECORD):
            read_record(run_dir)


@pytest.mark.parametrize("score", [250.0, -1.0, "high", None, []])
def test_a_score_that_is_none_is_refused_in_one_sentence(tmp_path: Path, score: object) -> None:
    made = create_run(tmp_path, run_spec())
    (made / RECORD).write_text(json.dumps(finetune_document(made.name, test_score=score)))
    with pytest.raises(UserError, match=r"record\.json: is damaged.*test_score"):
        read_record(made)


@pytest.mark.parametrize("key", ["test_score", "seal"])
def test_an_edited_record_is_refused(run_dir: Path, key: str) -> None:
    document = json.loads((run_dir / RECORD).read_bytes())
    document |= {"test_score": 99.0}
    if key == "seal":
        del document["seal"]
    (run_dir / RECORD).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    with pytest.raises(UserError, match=r"record\.json: was changed after the run wrote it"):
        read_record(run_dir)


@pytest.mark.parametrize("name", [SPEC, HISTORY, RECONSTRUCTIONS])
@pytest.mark.parametrize("content", [b"", None, LINES + LINES])
def test_a_damaged_file_makes_its_run_a_failed_one(run_dir: Path, name: str, content: bytes | None) -> None:
    (run_dir / name).unlink()
    if content is not None:
        (run_dir / name).write_bytes(content)
    assert f"{run_dir / name}: " in str(damage_of(run_dir, FinetuneRecord))


def test_a_damaged_run_has_no_numbers_in_the_table(run_dir: Path) -> None:
    spec = read_spec(run_dir)
    (run_dir / HISTORY).write_bytes(b"")
    (row,) = read_table([spec], run_dir.parent).to_dict("records")
    assert row["status"] == "failed"
    assert row["test_score"] != row["test_score"]  # none
    assert f"{run_dir / HISTORY}: is not the file that record.json speaks of" in row["error"]
    with pytest.raises(UserError, match=HISTORY):
        read_histories([run_dir])


def test_a_record_of_older_code_stays_readable(run_dir: Path) -> None:
    document = unsealed(json.loads((run_dir / RECORD).read_bytes()))
    (run_dir / RECORD).write_text(json.dumps(document))
    assert read_record(run_dir).seal is None
    assert list(read_histories([run_dir])["epoch"]) == [1]

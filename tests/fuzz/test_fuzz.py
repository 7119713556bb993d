"""A few damaged files for each reader, and those that once found something; `make fuzz` reads tens of thousands."""

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.mutations import changed
from tests.fuzz.readers import READERS
from tests.fuzz.trial import Improper, answer

FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))
FEW = {"study file": 12} | {name: 25 for name in READERS if name.startswith("weights")}


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read_and_damaged_ones_refused_in_a_sentence(name: str) -> None:
    reader = READERS[name]
    seeds = reader.seeds()
    assert not any(answer(reader, content).refused for content in seeds)
    chance, refused = random.Random(7), 0
    for _ in range(FEW.get(name, 60)):
        refused += answer(reader, changed(chance.choice(seeds), reader.form, chance)).refused
    assert refused or name in ("attempts", "attempt"), "what is damaged there is left out"


@pytest.mark.parametrize("file", FOUND, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_once_found_something_ends_in_a_value_or_a_sentence(file: Path) -> None:
    answer(next(reader for reader in READERS.values() if reader.folder == file.parent.name), file.read_bytes())


def test_what_takes_too_long_is_told_by_the_processors_clock_and_what_waits_by_the_walls(monkeypatch) -> None:
    def busy(content: bytes) -> None:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass

    monkeypatch.setattr("tests.fuzz.trial.SECONDS", 0.2)
    sleeper = replace(READERS["record"], read=lambda content: time.sleep(0.3))
    assert answer(sleeper, b"").seconds < 0.2  # as one beside which others compute
    with pytest.raises(Improper, match=r"it took 0\.\d s of a processor"):
        answer(replace(sleeper, read=busy), b"")
    monkeypatch.setattr("tests.fuzz.trial.WAIT_S", 0.2)
    with pytest.raises(Improper, match="it took 0 s"):
        answer(sleeper, b"")

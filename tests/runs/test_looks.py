"""The journal of looks: which of them forbid claims, and that nothing else does."""

from pathlib import Path

import pytest

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.looks import Look, add_look, look, objection, read_looks, renamed

STUDY = """
study: tiny
encoders: {mae: {kind: mae, seed: 0}}
sweep: {seeds: [0, 1, 2, 3], targets: [image, audio]}
"""
CELLS = {"image-from-audio": 4, "audio-from-image": 4}


def study(text: str = STUDY) -> Study:
    return parse_study(text, "tiny.yaml")


def seen(seeds: str = "[0, 1, 2, 3]", design: str = "", cells: dict[str, int] | None = None, date: str = "2026-01-01") -> Look:
    text = STUDY.replace("[0, 1, 2, 3]", seeds) + (f"design: {design}" if design else "")
    return look(study(text), CELLS if cells is None else cells, date)


def test_the_journal_keeps_each_look_once(tmp_path: Path):
    path = tmp_path / "runs" / "looks.jsonl"
    assert read_looks(path) == []
    add_look(path, seen())
    content = path.read_bytes()
    add_look(path, seen(date="2026-02-02"))
    assert path.read_bytes() == content
    add_look(path, seen("[0, 1, 2, 3, 4]", date="2026-02-03"))
    assert [item.date for item in read_looks(path)] == ["2026-01-01", "2026-02-03"]
    assert path.read_bytes().startswith(content)


def test_a_damaged_journal_is_one_sentence(tmp_path: Path):
    path = tmp_path / "looks.jsonl"
    add_look(path, seen())
    path.write_bytes(path.read_bytes() + b'{"date": 1}\n')
    with pytest.raises(UserError, match=r"looks\.jsonl: line 2 is damaged, .*; restore the file"):
        read_looks(path)


def test_the_same_results_can_be_looked_at_as_often_as_one_likes():
    assert objection(seen(), [seen(), seen()]) is None
    assert objection(seen(), [seen(cells=dict.fromkeys(CELLS, 2))]) is None  # the same seeds, not all of them done yet


@pytest.mark.parametrize("seeds", ["[0, 1, 2]", "[0, 1, 2, 3, 4]", "[3, 4, 5, 6]"])
def test_other_seeds_after_a_look_forbid_claims(seeds: str):
    before = seen(seeds, date="2025-12-24")
    assert objection(seen(), [before, seen()]) == before
    assert objection(seen(cells={"image-from-audio": 4}), [before]) == before  # leaving out a target does not help


def test_what_was_chosen_first_may_be_reproduced_after_other_looks():
    assert objection(seen(), [seen(), seen("[0, 1, 2, 3, 4]")]) is None
    assert objection(seen("[0, 1, 2, 3, 4]"), [seen(), seen("[0, 1, 2, 3, 4]")]) == seen()
    other_cells = seen(cells={"image-from-point": 4})
    assert objection(seen(cells=CELLS | other_cells.complete), [other_cells, seen("[0, 1]"), seen()]) == seen("[0, 1]")


def test_one_seed_is_enough_to_choose_how_many_more():
    before = seen("[0]", cells=dict.fromkeys(CELLS, 1))
    assert objection(seen(), [before]) == before


def test_all_fresh_seeds_another_question_and_cells_without_a_run_forbid_nothing():
    assert objection(seen("[4, 5, 6, 7]"), [seen()]) is None
    assert objection(seen("[0, 1]", cells={"image-from-point": 2}), [seen()]) is None
    assert objection(seen(), [seen("[0, 1]", cells=dict.fromkeys(CELLS, 0))]) is None


def test_encoders_that_are_all_trained_anew_are_fresh():
    before = seen("[0, 1]")
    assert objection(before.model_copy(update={"encoder_seeds": {"mae": (7,)}, "seeds": (0, 1, 2)}), [before]) is None
    both = before.model_copy(update={"encoder_seeds": {"mae": (0,), "labels": (0,)}})
    one_anew = both.model_copy(update={"encoder_seeds": {"mae": (0,), "labels": (7,)}})
    assert objection(one_anew, [both]) == both
    of_file = before.model_copy(update={"encoder_seeds": {"mae": ()}})
    assert objection(of_file.model_copy(update={"seeds": (0, 1, 2)}), [of_file]) == of_file


def test_a_sequential_design_may_add_seeds_but_only_if_it_was_one_from_the_start():
    sequential = "{seeds: sequential, planned: 8}"
    later = seen("[0, 1, 2, 3, 4, 5]", sequential)
    assert objection(later, [seen(design=sequential), seen("[0, 1, 2, 3, 4]", sequential)]) is None
    assert objection(later, [seen()]) == seen()
    assert objection(seen(design=sequential), [seen()]) == seen()
    other = seen(design="{seeds: sequential, planned: 9}")
    assert objection(later, [other]) == other
    assert objection(seen(), [seen(design=sequential)]) is None  # one look at these seeds
    assert objection(seen("[0, 1, 2, 3, 4, 5]"), [seen(design=sequential)]) is not None


ENCODERS = "encoders: {mae: {kind: mae, MINE}, other: {kind: mae, THEIRS}, public: {kind: file, paths: {image: a.pt}}}"
REACHED = {"image-from-audio": (("mae",),), "audio-from-image": (("mae",), ("other",))}


def of_two(mine: str, theirs: str, seeds: str = "[0, 1, 2, 3]", more: str = "") -> Look:
    """A look at two questions: the first reaches one of two encoders, a cell of the second the other; neither reaches a file."""
    encoders = ENCODERS.replace("MINE", mine).replace("THEIRS", theirs)
    text = f"study: tiny\n{encoders}\nsweep: {{seeds: {seeds}, targets: [image, audio]{more}}}\n"
    return look(study(text), CELLS, "2026-01-01", REACHED)


def test_an_encoder_that_no_cell_reaches_makes_nothing_old_and_nothing_other():
    before = of_two("seed: 0", "seed: 0", "[0, 1]")
    assert before.encoder_seeds == {"mae": (0,), "other": (0,)}
    assert objection(of_two("seed: 7", "seed: 7"), [before]) is None
    first = {"image-from-audio": 4}
    assert objection(of_two("seed: 7", "seed: 0").model_copy(update={"complete": first}), [before]) is None
    assert objection(of_two("seed: 0", "seed: 7").model_copy(update={"complete": first}), [before]) == before
    assert objection(of_two("seed: 7", "seed: 0"), [before]) == before  # a cell of the second question is not fresh
    same_seeds = of_two("seed: 0", "seed: 7").model_copy(update={"complete": first})
    assert objection(same_seeds, [of_two("seed: 0", "seed: 0")]) is None


def test_a_cell_without_encoders_is_fresh_only_with_fresh_seeds():
    reached = {"image-from-audio": ((), ("mae",))}
    before = seen("[0, 1]", cells={"image-from-audio": 2}).model_copy(update={"reached": reached})
    anew = {"encoder_seeds": {"mae": (7,)}, "complete": {"image-from-audio": 3}}
    assert objection(before.model_copy(update=anew | {"seeds": (1, 2, 3)}), [before]) == before
    assert objection(before.model_copy(update=anew | {"seeds": (2, 3)}), [before]) is None


@pytest.mark.parametrize(
    ("mine", "seeds", "more"),
    [
        ("seeds: [0, 1]", "[0, 1, 2, 3]", ", encoder_seeds: crossed"),
        ("seeds: [1, 0]", "[0, 1, 2, 3]", ""),
        ("seeds: [0, 1]", "[1, 0, 3, 2]", ""),
    ],
)
def test_the_same_seeds_in_another_combination_are_other_draws(mine: str, seeds: str, more: str):
    before = of_two("seeds: [0, 1]", "seeds: [0, 1]")
    assert objection(of_two(mine, "seeds: [0, 1]", seeds, more), [before]) == before
    assert objection(before, [before]) is None
    assert objection(of_two("seeds: [0, 1]", "seeds: [0, 1]", "[1, 0]"), [before]) == before
    assert objection(of_two("seeds: [1, 0]", "seeds: [1, 0]", "[1, 0, 3, 2]"), [before]) is None  # in another order


def test_a_line_of_an_older_version_stays_the_same_question(tmp_path: Path):
    line = (
        '{"date":"2026-01-01","study":"tiny","design":"fixed","seeds":[0,1],'
        '"encoder_seeds":{"mae":[0],"other":[0],"public":[]},"complete":{"old":2,"another":2}}\n'
    )
    path = tmp_path / "looks.jsonl"
    path.write_text(line)
    former = {"image-from-audio": "old", "audio-from-image": "another"}
    now = of_two("seed: 0", "seed: 0", "[0, 1, 2]")
    assert objection(now, read_looks(path)) is None
    assert objection(now, renamed(read_looks(path), former)) is not None
    assert objection(of_two("seed: 7", "seed: 7", "[0, 1, 2]"), renamed(read_looks(path), former)) is None
    same = of_two("seed: 0", "seed: 0", "[0, 1]").model_copy(update={"complete": dict.fromkeys(CELLS, 2)})
    add_look(path, same, former)
    assert path.read_text() == line
    add_look(path, now, former)
    assert path.read_text().startswith(line)
    assert len(read_looks(path)) == 2

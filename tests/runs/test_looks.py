"""The journal of looks: what is the same question, which looks forbid claims, and that nothing else does."""

from pathlib import Path

import pytest

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.looks import Look, add_look, look, objection, question, read_looks
from tests.specs import run_spec

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


def test_a_question_is_the_same_for_every_draw_and_name():
    declared = study()
    same = [
        question(declared, run_spec()),
        question(declared, run_spec(seed=7)),
        question(study(STUDY.replace("tiny", "other").replace("[0, 1, 2, 3]", "[5]")), run_spec()),
        question(
            study(STUDY.replace("seed: 0", "seed: 1")),
            run_spec(target_weights={**run_spec().target_weights.model_dump(), "sha256": "c" * 64}),
        ),
    ]
    assert len(set(same)) == 1
    assert same[0].startswith("image-from-audio-pathway-pretrained-full-")


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (STUDY, {"auxiliary": "point"}),
        (STUDY, {"method": "random_auxiliary"}),
        (STUDY, {"data_sha256": "e" * 64}),
        (STUDY, {"finetune": run_spec().finetune.model_copy(update={"epochs": 4})}),
        (STUDY + "pretrain: {mae: {steps: 9}}", {}),
        (STUDY.replace("seed: 0", "seed: 0, steps: 9"), {}),
    ],
)
def test_whatever_else_changes_a_result_is_another_question(text: str, changes: dict[str, object]):
    assert question(study(text), run_spec(**changes)) != question(study(), run_spec())


def test_other_weights_from_a_file_are_another_question():
    files = STUDY.replace("{kind: mae, seed: 0}", "{kind: file, paths: {image: a.pt, audio: b.pt}}")
    moved = files.replace("a.pt", "elsewhere/a.pt")
    other = {**run_spec().target_weights.model_dump(), "sha256": "c" * 64}
    assert question(study(files), run_spec()) == question(study(moved), run_spec())
    assert question(study(files), run_spec()) != question(study(files), run_spec(target_weights=other))


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


def test_all_fresh_seeds_another_question_and_too_few_seeds_forbid_nothing():
    assert objection(seen("[4, 5, 6, 7]"), [seen()]) is None
    assert objection(seen("[0, 1]", cells={"image-from-point": 2}), [seen()]) is None
    assert objection(seen(), [seen("[0, 1]", cells=dict.fromkeys(CELLS, 1))]) is None


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

"""Which runs of a report come from which environment."""

from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.analysis.tables.environments import commit_words, environments, mixtures
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION, RECORD

HERE = {
    "started": "2026-11-21T11:00:00+00:00",
    "device": "cpu",
    "device_name": "a processor",
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
    "code_sha256": "1" * 64,
}


def folder(path: Path, *attempts: dict[str, Any], kind: str = "finetune") -> tuple[str, Path]:
    documents.write_json(path / RECORD, {})
    documents.write_json(path / EXECUTION, {"attempts": [HERE | attempt for attempt in attempts]})
    return kind, path


def table(*rows: tuple[str, str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["run_id", "target", "method", "seed"])


def test_runs_outside_a_git_checkout_have_an_environment_without_a_commit(tmp_path: Path) -> None:
    runs = [folder(tmp_path / str(index), {"git_commit": None}) for index in range(2)]
    (known,) = environments(runs, table(("0", "image", "baseline", 0), ("1", "image", "baseline", 1)))
    assert (known.runs, known.which, known.commit, known.device) == (2, "seeds 0, 1", "–", "cpu (a processor)")
    assert known["torch"] == "2.13.0"
    assert mixtures([known]) == []


def test_groups_are_told_apart_by_what_they_do_not_share(tmp_path: Path) -> None:
    rows = [(f"{method}{seed}", "image", method, seed) for method in ("baseline", "pathway") for seed in (0, 1)]
    runs = [folder(tmp_path / name, {"code_sha256": "2" * 64} if method == "pathway" else {}) for name, _, method, _ in rows]
    known = environments(runs, table(*rows))
    assert [(item.runs, item.which) for item in known] == [(2, "baseline: seeds 0, 1"), (2, "pathway: seeds 0, 1")]
    (sentence,) = mixtures(known)
    assert (
        "2 (baseline: seeds 0, 1): m2pt's source code 1111111111; 2 (pathway: seeds 0, 1): m2pt's source code 2222222222"
        in sentence
    )


def test_a_run_that_went_on_elsewhere_is_of_both_and_an_attempt_that_began_anew_of_its_own(tmp_path: Path) -> None:
    other = {"device": "cuda", "device_name": "A card"}
    on = folder(tmp_path / "on", {"resumed_from_epoch": 0}, {"resumed_from_epoch": 2, **other})
    anew = folder(tmp_path / "anew", other | {"resumed_from_epoch": 0}, {"resumed_from_epoch": 0})
    (known,) = environments([on], table(("on", "image", "baseline", 0)))
    assert known.device == "cpu (a processor), then cuda (A card)"
    assert "device cpu (a processor), then cuda (A card)" in mixtures([known])[0]
    (known,) = environments([anew], table(("anew", "image", "baseline", 0)))
    assert known.device == "cpu (a processor)"


def test_encoders_are_a_kind_of_their_own_and_what_is_not_recorded_is_said(tmp_path: Path) -> None:
    encoder = folder(tmp_path / "image-mae-s0-1", {"code_sha256": "2" * 64}, kind="pretrain")
    run, unknown = folder(tmp_path / "run", {}), ("finetune", tmp_path / "unknown")
    documents.write_json(unknown[1] / RECORD, {})
    rows = table(("run", "image", "baseline", 0), ("unknown", "image", "baseline", 1))
    assert mixtures(environments([encoder, run], rows)) == []  # an encoder may come from elsewhere: its content has a fingerprint
    known = environments([encoder, run, unknown], rows)
    assert [item.kind for item in known] == ["finetune", "finetune", "pretrain"]
    assert "1 (seed 1): m2pt's source code not recorded" in mixtures(known)[0]
    assert environments([unknown], rows) == []


def test_the_mark_of_a_changed_checkout_is_never_cut_off() -> None:
    assert commit_words("c" * 40 + "+changes") == "c" * 10 + "+changes"
    assert commit_words("c" * 40) == "c" * 10

"""A study of many parts is looked through for keys that change nothing once, and again whenever it says something else."""

from pathlib import Path

import pytest

from m2pt.config import UserError
from pipelines.planning import study_file

STUDY = """
study: many
data: {root: data, embedded: {}}
encoders: {mae: {kind: mae}}
sweep: {seeds: [0], targets: [image], auxiliaries: [image, audio], methods: [baseline, pathway], target_encoder: mae,
        auxiliary_encoder: mae}
parts:
"""


def declare(count: int, key: str = "pathway.scale_init") -> Path:
    parts = [f"  - {{name: part-{number}, set: {{{key}: 0.{number + 1}}}}}\n" for number in range(count)]
    Path("many.yaml").write_text(STUDY + "".join(parts))
    return Path("many.yaml")


def test_it_is_remembered_until_the_file_says_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = study_file.load(declare(20))
    with monkeypatch.context() as patch:
        patch.setattr(study_file, "unused_keys", lambda study: ["sweep.seeds: looked at again"])
        assert study_file.load("many.yaml") == first
        with pytest.raises(UserError, match="looked at again"):
            study_file.load(declare(21))
    declare(20, "rivals.attention_weight")
    for _ in range(2):  # also where it is remembered
        with pytest.raises(UserError, match=r"set\.rivals\.attention_weight: changes no run of the part part-0"):
            study_file.load("many.yaml")

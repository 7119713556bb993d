"""The benchmark of complete studies, on the smallest study that ships."""

import pytest

from benchmarks import whole_study
from benchmarks.cpu.sizes import ROOT
from benchmarks.whole_study import Taken, once, rows


@pytest.mark.patient
def test_a_study_from_nothing_with_its_stages_and_the_share_that_computes():
    taken = once(ROOT / "studies/smoke.yaml")
    assert list(taken.seconds) == list(whole_study.STAGES) and min(taken.seconds.values()) > 0
    assert 0 < taken.computing["pretrain"] < 1 and 0 < taken.computing["sweep"] < 1


def test_a_study_that_fails_is_no_number(tmp_path):
    (tmp_path / "study.yaml").write_text((ROOT / "studies/smoke.yaml").read_text().replace("root: ", "root: /proc/none/"))
    with pytest.raises(RuntimeError, match=r"data of .*study.yaml ended with 2"):
        once(tmp_path / "study.yaml")


def test_rows_are_medians_and_name_a_sweep_that_waits():
    stages = dict.fromkeys(whole_study.STAGES, 1.0)
    times = [
        Taken(stages | {"sweep": wall}, {"pretrain": 0.5, "sweep": share}) for wall, share in ((7, 0.8), (5, 0.85), (9, 0.95))
    ]
    whole, pretraining, sweep = rows("a.yaml", times)
    assert whole.number == 10.0 and "sweep 7.0 s" in whole.value
    assert (pretraining.number, sweep.number, sweep.holds) == (0.5, 0.85, False)

"""What each test sample scored: written once, read back to the last bit, refused where it is not the run's own."""

import hashlib
import math

import numpy as np
import pytest

from m2pt.config import UserError
from m2pt.runs.folder import TEST_SAMPLES
from m2pt.runs.sample_scores import mean_percent, read_sample_scores, write_sample_scores
from tests.run_records import finetune_record


def of_file(sha256):
    return finetune_record().model_copy(update={"test_samples_sha256": sha256})


@pytest.mark.parametrize("count", [1, 7, 8, 1000])
def test_right_and_wrong_come_back_in_their_order_from_a_bit_each(tmp_path, count):
    right = np.random.default_rng(count).random(count) < 0.6
    sha256 = write_sample_scores(tmp_path, right, 100.0 * right.sum() / count)
    back = read_sample_scores(tmp_path, of_file(sha256))
    assert back.dtype == np.bool_ and np.array_equal(back, right)
    assert (tmp_path / TEST_SAMPLES).stat().st_size < 700 + count / 8
    assert np.array_equal(np.unpackbits(np.load(tmp_path / TEST_SAMPLES)["correct"], count=count), right)


def test_fractions_come_back_to_the_last_bit_and_a_sample_without_a_score_stays_without(tmp_path):
    ious = np.array([0.1, 1 / 3, math.nan, 1.0])
    score = 100.0 * (math.fsum([0.1, 1 / 3, 1.0]) / 3)
    back = read_sample_scores(tmp_path, of_file(write_sample_scores(tmp_path, ious, score)))
    assert np.array_equal(back, ious, equal_nan=True)
    assert mean_percent(back) == score


def test_samples_whose_mean_is_not_the_test_score_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"mean score is 75\.0, but the test score is 75\.1"):
        write_sample_scores(tmp_path, np.array([True, True, False, True]), 75.1)
    assert not list(tmp_path.iterdir())


def test_equal_scores_are_equal_bytes(tmp_path):
    right = np.array([True, False, True])
    first, second = (write_sample_scores(tmp_path / name, right, 100 * 2 / 3) for name in ("one", "two"))
    assert first == second == hashlib.sha256((tmp_path / "one" / TEST_SAMPLES).read_bytes()).hexdigest()


def test_a_record_of_older_code_has_none(tmp_path):
    assert finetune_record().test_samples_sha256 is None
    assert read_sample_scores(tmp_path, finetune_record()) is None


def test_a_missing_or_changed_file_is_one_sentence(tmp_path):
    record = of_file(write_sample_scores(tmp_path, np.array([True, False]), 50.0))
    (tmp_path / TEST_SAMPLES).write_bytes(b"other")
    with pytest.raises(UserError, match=r"test_samples\.npz: is not the file that record\.json speaks of"):
        read_sample_scores(tmp_path, record)
    (tmp_path / TEST_SAMPLES).unlink()
    with pytest.raises(UserError, match=r"test_samples\.npz: cannot be read"):
        read_sample_scores(tmp_path, record)

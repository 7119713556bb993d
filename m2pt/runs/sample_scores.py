"""What each test sample scored: one small file in the folder of a run, for comparisons that pair samples too.

`test_samples.npz` holds either `correct`, the bits of `numpy.packbits` (right or wrong, for accuracy), with their `count`; or
`score`, a fraction of 1 for each sample as float64, NaN for a sample that has none (instance mIoU: a shape of a category without
parts). The order is that of the split, so position i is the same sample in all runs with the same `samples_sha256`. Scores that
are no mean over samples (mean average precision, IoU from counts over all pixels or shapes) have no such file.
"""

import hashlib
import io
import zipfile
from math import fsum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.files.documents import write_atomic
from m2pt.runs.folder import TEST_SAMPLES
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.seal import read_kept

BySample = NDArray[np.bool_] | NDArray[np.float64]
"""Right or wrong, or a fraction of 1, for each sample of a split in its order."""


def mean_percent(scores: BySample) -> float:
    """The score of the split in percent, to the last bit as the meters compute it: the correctly rounded mean."""
    if scores.dtype == np.bool_:
        return 100.0 * int(scores.sum()) / len(scores)
    known = scores[~np.isnan(scores)].tolist()
    return 100.0 * (fsum(known) / len(known))


def write_sample_scores(run_dir: Path, scores: BySample, test_score: float) -> str:
    """Write what each test sample scored; returns the SHA-256 of the file, whose bytes follow from the scores alone.

    Raises:
        UserError: the file cannot be written.
        ValueError: their mean is not exactly `test_score`, so they are not the samples of this score.

    """
    if mean_percent(scores) != test_score:
        raise ValueError(f"the samples' mean score is {mean_percent(scores)}, but the test score is {test_score}")
    content = _packed(scores)
    write_atomic(run_dir / TEST_SAMPLES, content)
    return hashlib.sha256(content).hexdigest()


def read_sample_scores(run_dir: Path, record: FinetuneRecord) -> BySample | None:
    """What each test sample scored in a complete run; None where its record has no such file.

    Raises:
        UserError: the file is missing, or is not the one that the record describes.

    """
    if record.test_samples_sha256 is None:
        return None
    path = run_dir / TEST_SAMPLES
    content = read_kept(run_dir, TEST_SAMPLES, {TEST_SAMPLES: record.test_samples_sha256})
    try:
        return _unpacked(content)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, EOFError, NotImplementedError) as error:
        raise UserError(f"{path}: holds no scores of samples; delete the folder {run_dir} and run again.") from error


def _unpacked(content: bytes) -> BySample:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if "correct" in arrays:
            return np.unpackbits(arrays["correct"], count=int(arrays["count"])).astype(np.bool_)
        return np.asarray(arrays["score"], dtype=np.float64)


def _packed(scores: BySample) -> bytes:
    """The file: stored without compression and without a date, so that equal scores are equal bytes everywhere."""
    right = scores.dtype == np.bool_
    arrays = {"correct": np.packbits(scores.astype(np.bool_)), "count": np.int64(len(scores))} if right else {"score": scores}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
    return buffer.getvalue()

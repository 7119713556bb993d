"""Mean average precision and area under the ROC curve against scikit-learn."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from m2pt.config import UserError
from m2pt.training.metrics.average_precision import AveragePrecision


def scored(outputs, labels, *, batch=7):
    meter = AveragePrecision(labels.shape[1])
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        meter.add(torch.tensor(outputs[part]), {"y": torch.tensor(labels[part], dtype=torch.float32)})
    return meter


def draw(seed, samples=60, classes=9, *, ties=False):
    rng = np.random.default_rng(seed)
    labels = (rng.random((samples, classes)) < rng.uniform(0.05, 0.9, classes)).astype(int)
    labels[0], labels[1] = 1, 0
    outputs = rng.standard_normal((samples, classes)) + labels
    return (np.round(outputs) if ties else outputs).astype(np.float32), labels


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed, ties):
    outputs, labels = draw(seed, ties=ties)
    result = scored(outputs, labels).result()
    assert list(result) == ["map", "auc"]
    assert result["map"] == pytest.approx(100 * average_precision_score(labels, outputs, average=None).mean(), abs=1e-10)
    assert result["auc"] == pytest.approx(100 * roc_auc_score(labels, outputs, average=None).mean(), abs=1e-10)


def test_a_case_by_hand():
    """Falling: right, wrong, right: precision 1 at the first, 2/3 at the second."""
    meter = scored(np.array([[0.9], [0.5], [0.1]], dtype=np.float32), np.array([[1], [0], [1]]))
    assert meter.result() == pytest.approx({"map": 100 * (1 + 2 / 3) / 2, "auc": 50.0})


def test_equal_outputs_for_all_give_the_share_of_the_class():
    outputs, labels = draw(0)
    result = scored(np.zeros_like(outputs), labels).result()
    assert result == pytest.approx({"map": 100 * labels.mean(axis=0).mean(), "auc": 50.0})


def test_classes_without_samples_are_left_out():
    outputs, labels = draw(0)
    labels[:, 3], labels[:, 5] = 0, 1
    result = scored(outputs, labels).result()
    present = [index for index in range(9) if index != 3]
    expected = average_precision_score(labels[:, present], outputs[:, present], average=None)
    assert expected[4] == 1.0
    assert result["map"] == pytest.approx(100 * expected.mean())
    mixed = [index for index in present if index != 5]
    assert result["auc"] == pytest.approx(100 * roc_auc_score(labels[:, mixed], outputs[:, mixed], average=None).mean())


def test_neither_order_nor_processes_matter():
    outputs, labels = draw(1, ties=True)
    whole = scored(outputs, labels).result()
    order = np.random.default_rng(0).permutation(len(labels))
    assert scored(outputs[order], labels[order], batch=60).result() == whole
    first, second = scored(outputs[::2], labels[::2]), pickle.loads(pickle.dumps(scored(outputs[1::2], labels[1::2])))
    first.merge(second)
    assert first.result() == whole


def test_what_cannot_be_scored_is_said():
    outputs, labels = draw(2)
    with pytest.raises(UserError, match="No sample has a label"):
        scored(outputs, np.zeros_like(labels)).result()
    with pytest.raises(UserError, match="No sample has a label"):
        AveragePrecision(3).result()
    outputs[5, 2] = np.nan
    with pytest.raises(UserError, match="are not finite"):
        scored(outputs, labels).result()
    assert scored(np.ones((2, 1), dtype=np.float32), np.ones((2, 1))).result() == {"map": 100.0}

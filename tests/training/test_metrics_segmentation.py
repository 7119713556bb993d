"""Mean intersection over union against scikit-learn and a case counted by hand."""

import pickle

import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score, recall_score

from m2pt.config import UserError
from m2pt.training.metrics.segmentation import SegmentationIoU


def test_a_case_counted_by_hand():
    y = torch.tensor([[[0, 0, 1], [1, 1, -1]]])
    predicted = torch.tensor([[[0, 1, 1], [1, 2, 3]]])
    meter = SegmentationIoU(5)
    meter.add(predicted, {"y": y})
    # Class 0: 1 / 2. Class 1: 2 / 4. Class 2: 0 / 1. Class 3: only where nothing is labelled. Class 4: nowhere.
    assert meter.result()["miou"] == pytest.approx(100 * (1 / 2 + 2 / 4 + 0) / 3)
    assert meter.result()["pixel_accuracy"] == pytest.approx(100 * 3 / 5)
    assert meter.result()["class_accuracy"] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert next(iter(meter.result())) == "miou"


def test_it_agrees_with_scikit_learn_and_takes_logits_in_parts():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(4, 6, 9, 7, generator=generator)
    y = torch.randint(-1, 5, (4, 9, 7), generator=generator)  # class 5 is never labelled, but predicted
    whole, other = SegmentationIoU(6), SegmentationIoU(6)
    whole.add(outputs[:1], {"y": y[:1]})
    other.add(outputs[1:], {"y": y[1:]})
    whole.merge(pickle.loads(pickle.dumps(other)))
    counted = y >= 0
    true, predicted = y[counted].numpy(), outputs.argmax(dim=1)[counted].numpy()
    result = whole.result()
    assert result["miou"] == pytest.approx(100 * jaccard_score(true, predicted, average="macro"))
    assert result["pixel_accuracy"] == pytest.approx(100 * accuracy_score(true, predicted))
    assert result["class_accuracy"] == pytest.approx(100 * recall_score(true, predicted, average="macro", labels=range(5)))
    labels = SegmentationIoU(6)
    labels.add(outputs.argmax(dim=1).float(), {"y": y})
    assert labels.result() == result


def test_nothing_to_score_and_wrong_shapes():
    meter = SegmentationIoU(3)
    meter.add(torch.zeros(1, 3, 2, 2), {"y": torch.full((1, 2, 2), -1)})
    with pytest.raises(UserError, match="No pixel has a label"):
        meter.result()
    with pytest.raises(ValueError, match="for labels of shape"):
        meter.add(torch.zeros(1, 3, 2, 3), {"y": torch.zeros(1, 2, 2, dtype=torch.int64)})

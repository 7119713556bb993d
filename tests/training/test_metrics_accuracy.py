"""Accuracy against scikit-learn, in any order and any number of parts."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, top_k_accuracy_score

from m2pt.config import UserError
from m2pt.training.metrics.accuracy import Accuracy


def draw(count, num_classes):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(count, num_classes, generator=generator)
    y = torch.randint(num_classes, (count,), generator=generator)
    outputs[torch.arange(count), y] += 1.0
    return outputs, y


def test_it_agrees_with_scikit_learn():
    outputs, y = draw(200, 12)
    meter = Accuracy(12)
    for part in torch.arange(200).split(33):
        meter.add(outputs[part], {"y": y[part]})
    predicted = outputs.argmax(dim=1).numpy()
    assert list(meter.result()) == ["accuracy", "top5_accuracy"]
    assert meter.result()["accuracy"] == pytest.approx(100 * accuracy_score(y.numpy(), predicted))
    expected = top_k_accuracy_score(y.numpy(), outputs.numpy(), k=5, labels=range(12))
    assert meter.result()["top5_accuracy"] == pytest.approx(100 * expected)
    np.testing.assert_array_equal(meter.confusion.numpy(), confusion_matrix(y.numpy(), predicted, labels=range(12)))


def test_parts_and_order_do_not_matter():
    outputs, y = draw(60, 7)
    whole, left, right = Accuracy(7), Accuracy(7), Accuracy(7)
    whole.add(outputs, {"y": y})
    left.add(outputs[40:].softmax(dim=1), {"y": y[40:]})
    right.add(outputs[:40], {"y": y[:40]})
    left = pickle.loads(pickle.dumps(left))
    left.merge(right)
    assert left.result() == whole.result()
    assert torch.equal(left.confusion, whole.confusion)


def test_few_and_many_classes():
    few, many = Accuracy(4), Accuracy(51)
    few.add(torch.eye(4), {"y": torch.tensor([0, 1, 2, 0])})
    assert few.result() == {"accuracy": 75.0}
    many.add(torch.eye(51), {"y": torch.arange(51)})
    assert many.confusion is None
    assert many.result() == {"accuracy": 100.0, "top5_accuracy": 100.0}


def test_nothing_to_score_and_wrong_shapes():
    with pytest.raises(UserError, match="no samples"):
        Accuracy(3).result()
    with pytest.raises(ValueError, match="3 samples and 4 classes"):
        Accuracy(4).add(torch.zeros(2, 4), {"y": torch.zeros(3, dtype=torch.int64)})


def test_each_sample_is_right_where_its_class_has_the_largest_output():
    outputs, y = draw(50, 4)
    meter = Accuracy(4)
    for part in torch.arange(50).split(12):
        meter.add(outputs[part], {"y": y[part]})
    rows = zip(outputs.tolist(), y.tolist(), strict=True)
    assert meter.each().tolist() == [max(range(4), key=row.__getitem__) == label for row, label in rows]

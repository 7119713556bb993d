"""Scores of part segmentation against cases counted by hand."""

import pytest
import torch

from m2pt.config import UserError
from m2pt.training.metrics.parts import PartIoU, PartNetIoU

PARTS = ((0, 1), (2, 3, 4))


def batch(*shapes):
    """Outputs and labels of shapes (category, true labels, predicted labels)."""
    predicted = torch.tensor([shape[2] for shape in shapes])
    outputs = torch.nn.functional.one_hot(predicted, 5).transpose(1, 2).float()
    return outputs, {"y": torch.tensor([shape[1] for shape in shapes]), "given": torch.tensor([shape[0] for shape in shapes])}


def score(meter, *batches):
    for outputs, labels in batches:
        meter.add(outputs, labels)
    return meter.result()


FIRST = (0, [0, 0, 0, 1], [0, 0, 1, 1])  # 2/3 and 1/2
SECOND = (0, [0, 0, 0, 0], [0, 0, 0, 0])  # 1, and an absent part that is not predicted: 1
THIRD = (1, [2, 2, 3, 3], [2, 3, 3, 4])  # 1/2, 1/3, and an absent part that is predicted: 0


def test_part_iou_is_that_counted_by_hand():
    result = score(PartIoU(PARTS), batch(FIRST, SECOND, THIRD))
    first, second, third = (2 / 3 + 1 / 2) / 2, 1.0, (1 / 2 + 1 / 3 + 0) / 3
    assert list(result) == ["miou_instance", "miou_class", "point_accuracy"]
    assert result["miou_instance"] == pytest.approx(100 * (first + second + third) / 3)
    assert result["miou_class"] == pytest.approx(100 * ((first + second) / 2 + third) / 2)
    assert result["point_accuracy"] == pytest.approx(100 * (3 + 4 + 2) / 12)


def test_a_model_chooses_among_the_parts_of_the_category_that_it_is_told():
    outputs = torch.tensor([[[0.0, 0.0], [1.0, 2.0], [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]]])
    labels = {"y": torch.tensor([[1, 1]]), "given": torch.tensor([0])}
    assert score(PartIoU(PARTS), (outputs, labels)) == {"miou_instance": 100.0, "miou_class": 100.0, "point_accuracy": 100.0}


def test_partnet_sums_over_shapes_and_leaves_the_other_label_out():
    # Label 2 is "other" of category 1: its points are left out, and as a prediction it is replaced by the next best, label 3.
    shapes = [(1, [3, 3, 4, 2], [3, 4, 4, 4]), (1, [3, 4, 2, 2], [2, 3, 4, 2]), (0, [1, 1, 0, 1], [1, 1, 1, 0])]
    outputs, labels = batch(*shapes)
    outputs[:, 3] += 0.5
    result = score(PartNetIoU(PARTS), (outputs, labels))
    part_3 = (1 + 1) / (2 + 1 + 1)  # right in both shapes; missed once, and predicted for a 4 once
    part_4 = 1 / (2 + 1)
    assert list(result) == ["miou", "point_accuracy"]
    assert result["miou"] == pytest.approx(100 * ((part_3 + part_4) / 2 + 1.0) / 2)
    assert result["point_accuracy"] == pytest.approx(100 * (2 + 1 + 3) / (3 + 2 + 3))


def test_parts_and_categories_that_no_shape_has_are_left_out():
    result = score(PartNetIoU(PARTS), batch((1, [3, 3, 2, 2], [3, 3, 3, 4])))
    assert result["miou"] == 100.0
    assert score(PartIoU(PARTS), batch(SECOND))["miou_class"] == 100.0


@pytest.mark.parametrize("kind", [PartIoU, PartNetIoU])
def test_the_order_of_shapes_and_the_number_of_meters_do_not_matter(kind):
    generator = torch.Generator().manual_seed(0)
    shapes = []
    for index in range(40):
        low, high = (0, 2) if index % 3 else (2, 5)
        true, said = torch.randint(low, high, (2, 17), generator=generator).tolist()
        shapes.append((int(low > 0), true, said))
    whole = score(kind(PARTS), batch(*shapes))
    assert score(kind(PARTS), *[batch(shape) for shape in reversed(shapes)]) == whole
    left, right = kind(PARTS), kind(PARTS)
    right.add(*batch(*shapes[:11]))
    left.add(*batch(*shapes[11:]))
    left.merge(right)
    assert left.result() == whole


@pytest.mark.parametrize("kind", [PartIoU, PartNetIoU])
def test_nothing_seen_is_no_score(kind):
    with pytest.raises(UserError, match="No point has a part"):
        kind(PARTS).result()


def test_each_shape_has_its_own_iou_in_the_order_of_their_coming():
    meter = PartIoU((*PARTS, ()))
    nothing = (2, [0, 0, 0, 0], [0, 0, 0, 0])
    for outputs, labels in (batch(THIRD, FIRST), batch(nothing, SECOND)):
        meter.add(outputs, labels)
    third, first, none, second = meter.each().tolist()
    assert (first, second, third) == pytest.approx(((2 / 3 + 1 / 2) / 2, 1.0, (1 / 2 + 1 / 3 + 0) / 3))
    assert none != none, "a shape of a category without parts has no score"
    assert meter.result()["miou_instance"] == pytest.approx(100 * (first + second + third) / 3)


def test_a_score_of_counts_over_all_shapes_has_no_score_of_a_shape():
    meter = PartNetIoU(PARTS)
    meter.add(*batch(FIRST))
    assert meter.each() is None

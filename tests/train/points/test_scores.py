"""Scores against plain numpy and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

from eqgraph.train import ClassScores, PartScores


def batches(number: int, num_classes: int):
    for _ in range(number):
        labels = torch.randint(num_classes, (13,))
        yield torch.randn(13, num_classes), Data(y=labels, num_graphs=13)


def test_scores_of_batches_are_those_of_everything():
    scores, everything = ClassScores(4), list(batches(5, 4))
    for logits, batch in everything:
        assert torch.equal(scores.take_in(logits, batch), logits.argmax(1))
    logits = torch.cat([logits for logits, _ in everything])
    labels = torch.cat([batch.y for _, batch in everything])
    predicted = logits.argmax(1)
    expected = np.zeros((4, 4), dtype=int)
    np.add.at(expected, (labels.numpy(), predicted.numpy()), 1)
    np.testing.assert_array_equal(scores.confusion, expected)
    np.testing.assert_array_equal(scores.confusion, MulticlassConfusionMatrix(4)(predicted, labels))
    assert scores.accuracy == pytest.approx((labels == predicted).double().mean().item())
    assert scores.mean_class_accuracy == pytest.approx(float(MulticlassAccuracy(4, average="macro")(predicted, labels)))
    np.testing.assert_allclose(scores.class_iou, MulticlassJaccardIndex(4, average=None)(predicted, labels), rtol=1e-6)
    entropy = torch.nn.functional.cross_entropy(logits.double(), labels)
    assert scores.cross_entropy == pytest.approx(entropy.item())
    assert scores.count == 65


def test_classes_that_do_not_occur_are_not_counted():
    scores = ClassScores(3)
    scores.update(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
    np.testing.assert_array_equal(scores.class_accuracy, [0.5, 1.0, math.nan])
    assert scores.mean_class_accuracy == 0.75
    assert all(math.isnan(value) for _, value in ClassScores(2).rows())


def test_iou_of_clouds_of_two_categories():
    """Against the formula, written for one cloud."""
    parts, category = [[0, 1], [2, 3, 4]], torch.tensor([0, 1, 1])
    batch = torch.tensor([0] * 6 + [1] * 7 + [2] * 5)
    labels = torch.cat([torch.randint(2, (6,)), torch.randint(2, 5, (7,)), torch.randint(2, 5, (5,))])
    logits = torch.randn(18, 5)
    scores = PartScores(parts, 5)
    predicted = scores.take_in(logits, Data(y=labels, batch=batch, category=category, num_graphs=3))
    ious = []
    for cloud in range(3):
        of_cloud, own = batch == cloud, parts[category[cloud]]
        best = torch.tensor(own)[logits[of_cloud][:, own].argmax(1)]
        assert torch.equal(predicted[of_cloud], best), "only classes of the category"
        values = []
        for part in own:
            there, found = (
                set((labels[of_cloud] == part).nonzero().flatten().tolist()),
                set((best == part).nonzero().flatten().tolist()),
            )
            values.append(len(there & found) / len(there | found) if there | found else 1.0)
        ious.append(np.mean(values))
    assert scores.instance_iou == pytest.approx(np.mean(ious))
    assert scores.category_iou == pytest.approx(np.mean([ious[0], np.mean(ious[1:])]))
    assert [name for name, _ in scores.rows()] == [
        "accuracy (%)",
        "mean class accuracy (%)",
        "mIoU of classes (%)",
        "mIoU of clouds (%)",
        "mIoU of categories (%)",
        "cross entropy",
    ]

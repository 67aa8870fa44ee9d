"""The loss: values worked out by hand, and what it pushes towards."""

import math

import pytest
import torch

from edge_deeplab.training.loss import SegmentationLoss, class_weights, lovasz_softmax
from edge_deeplab.training.optimiser import poly_factor


def test_lovasz_softmax_perfect_prediction_is_zero() -> None:
    labels = torch.tensor([[[0, 1], [1, 0]]])
    probabilities = torch.nn.functional.one_hot(labels, 2).permute(0, 3, 1, 2).float()
    assert lovasz_softmax(probabilities, labels, 255).item() == pytest.approx(0)


def test_lovasz_softmax_hard_mistake_is_the_jaccard_loss() -> None:
    """Class 0 covers 2 pixels and is predicted on 3 (IoU 2/3); class 1 covers 2 and is predicted on 1 (IoU 1/2)."""
    labels = torch.tensor([[[0, 0, 1, 1]]])
    predicted = torch.tensor([[[0, 0, 0, 1]]])
    probabilities = torch.nn.functional.one_hot(predicted, 2).permute(0, 3, 1, 2).float()
    expected = ((1 - 2 / 3) + (1 - 1 / 2)) / 2
    assert lovasz_softmax(probabilities, labels, 255).item() == pytest.approx(expected)


def test_lovasz_softmax_ignores_the_ignore_index() -> None:
    labels = torch.tensor([[[0, 1, 255]]])
    probabilities = torch.tensor([[[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]]])
    assert lovasz_softmax(probabilities, labels, 255).item() == pytest.approx(0)


def test_segmentation_loss_all_ignored_has_no_lovasz_term() -> None:
    probabilities = torch.rand(1, 2, 4, 4)
    labels = torch.full((1, 4, 4), 255)
    assert lovasz_softmax(probabilities, labels, 255).item() == 0


@pytest.mark.parametrize("lovasz", [0.0, 0.5])
def test_segmentation_loss_all_ignored_is_zero_and_teaches_nothing(lovasz: float) -> None:
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    loss = SegmentationLoss(torch.ones(3), lovasz=lovasz, ignore_index=255)
    value = loss(logits, torch.full((1, 8, 8), 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def test_segmentation_loss_descends_to_the_labels() -> None:
    torch.manual_seed(0)
    logits = torch.zeros(1, 3, 16, 16, requires_grad=True)
    labels = torch.randint(0, 3, (1, 16, 16))
    loss = SegmentationLoss(torch.ones(3), lovasz=0.5, ignore_index=255)
    optimiser = torch.optim.SGD([logits], lr=100.0)
    for _ in range(60):
        optimiser.zero_grad()
        loss(logits, labels).backward()
        optimiser.step()
    assert torch.equal(logits.argmax(1), labels)


def test_parts_of_a_step_add_up_to_its_loss_however_they_are_cut() -> None:
    """Cross-entropy divides by the weight of the pixels that count, which differs from part to part."""
    torch.manual_seed(0)
    logits, masks = torch.randn(4, 3, 8, 8), torch.randint(0, 3, (4, 8, 8))
    masks[0, :6] = masks[2, :2] = 255
    loss = SegmentationLoss(torch.tensor([1.0, 2.0, 5.0]), lovasz=0, ignore_index=255)
    whole = loss(logits, masks)
    parts = list(zip(logits.chunk(2), masks.chunk(2), strict=True))
    weights = torch.stack([loss.weigh(mask) for _, mask in parts])
    assert weights[0] < weights[1]
    shared = [
        loss(*part, share) for part, share in zip(parts, weights / weights.mean(), strict=True)
    ]
    assert torch.stack(shared).mean().item() == pytest.approx(whole.item(), rel=1e-6)
    alone = torch.stack([loss(*part) for part in parts]).mean()
    assert alone.item() != pytest.approx(whole.item(), rel=1e-4)


def test_hardest_pixels_alone_count() -> None:
    """Probabilities of the true class 0.9, 0.5, 0.1 and, ignored, 0.01: half of the three that count is two."""
    right = torch.tensor([0.9, 0.5, 0.1, 0.01])
    logits = torch.stack([right, 1 - right]).log().reshape(1, 2, 1, 4)
    mask = torch.tensor([[[0, 0, 0, 255]]])
    weights = torch.tensor([2.0, 1.0])
    loss = SegmentationLoss(weights, lovasz=0, ignore_index=255, hardest=0.5)
    expected = -(right[1].log() + right[2].log()) / 2
    assert loss(logits, mask).item() == pytest.approx(expected.item(), rel=1e-5)
    every = SegmentationLoss(weights, lovasz=0, ignore_index=255)
    nearly = SegmentationLoss(weights, lovasz=0, ignore_index=255, hardest=0.999)
    assert nearly(logits, mask).item() == pytest.approx(every(logits, mask).item(), rel=1e-5)


def test_class_weights_by_logarithm_are_enets() -> None:
    weights = class_weights(torch.tensor([90, 10, 0]), 0.3, "log")
    assert weights.tolist() == pytest.approx([1 / math.log(1.92), 1 / math.log(1.12), 1.0])


def test_class_weights_lift_rare_classes_by_the_power() -> None:
    weights = class_weights(torch.tensor([100, 1, 0, 10]), 0.5)
    assert weights.tolist() == pytest.approx([(10 / 100) ** 0.5, 10**0.5, 1.0, 1.0])


def test_class_weights_power_zero_weighs_all_alike() -> None:
    assert class_weights(torch.tensor([5, 50]), 0.0).tolist() == [1.0, 1.0]


def test_poly_factor_warms_up_then_decays_to_zero() -> None:
    factors = [poly_factor(s, total_steps=100, warmup_steps=10, power=0.9) for s in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert max(factors) == factors[10]
    assert factors[50] == pytest.approx(0.5**0.9)
    assert factors[100] == 0

"""The training loss: class-weighted cross-entropy plus Lovasz-Softmax.

Cross-entropy weighted by inverse frequency to a small power lifts thin and rare classes without flooding the image with
them; Lovasz-Softmax (Berman et al., arXiv 1705.08790) optimises the Jaccard index that is reported.
"""

import torch
from torch import nn
from torch.nn import functional

_STRIDE = 4
"""Lovasz sorts every pixel; a quarter-resolution lattice of them estimates it at a sixteenth of the cost."""


class SegmentationLoss(nn.Module):
    """Weighted cross-entropy plus `lovasz` times Lovasz-Softmax.

    Args:
        class_weights: (K,) float.
        lovasz: weight of the second term; 0 leaves it out.
        ignore_index: mask value that is not trained on.
    """

    class_weights: torch.Tensor

    def __init__(self, class_weights: torch.Tensor, *, lovasz: float, ignore_index: int) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self.lovasz = lovasz
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss; zero, with a gradient of zeros, where every pixel is ignored.

        Args:
            logits: (N, K, H, W) float32.
            mask: (N, H, W) int64 class ids.
        """
        if not (mask != self.ignore_index).any():
            return logits.sum() * 0  # cross-entropy divides by the weight of the pixels that count
        loss = functional.cross_entropy(
            logits, mask, weight=self.class_weights, ignore_index=self.ignore_index
        )
        if self.lovasz > 0:
            lattice = (slice(None), slice(None), slice(2, None, _STRIDE), slice(2, None, _STRIDE))
            probabilities = logits[lattice].softmax(1)
            labels = mask[:, 2::_STRIDE, 2::_STRIDE]
            loss = loss + self.lovasz * lovasz_softmax(probabilities, labels, self.ignore_index)
        return loss


def lovasz_softmax(
    probabilities: torch.Tensor, labels: torch.Tensor, ignore_index: int
) -> torch.Tensor:
    """Return the Lovasz-Softmax loss over the classes present in the batch (arXiv 1705.08790, eq. 11 and algorithm 1).

    Args:
        probabilities: (N, K, H, W), summing to one over K.
        labels: (N, H, W) int64.
        ignore_index: label that is left out.
    """
    keep = labels.reshape(-1) != ignore_index
    by_pixel = probabilities.permute(0, 2, 3, 1).reshape(-1, probabilities.shape[1])[keep]
    kept = labels.reshape(-1)[keep]
    losses = []
    for class_id in kept.unique().tolist():
        belongs = (kept == class_id).float()
        errors, order = torch.sort((belongs - by_pixel[:, class_id]).abs(), descending=True)
        losses.append(torch.dot(errors, _jaccard_gradient(belongs[order])))
    if not losses:
        return probabilities.sum() * 0
    return torch.stack(losses).mean()


def _jaccard_gradient(sorted_membership: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the Lovasz extension of the Jaccard loss with respect to sorted errors."""
    total = sorted_membership.sum()
    intersection = total - sorted_membership.cumsum(0)
    union = total + (1 - sorted_membership).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def class_weights(pixel_counts: torch.Tensor, power: float) -> torch.Tensor:
    """Return cross-entropy weights (median frequency / frequency) ** power, a class that is absent weighing 1.

    Args:
        pixel_counts: (K,) pixels of each class.
        power: 0 weighs all alike, 1 is median-frequency balancing (Eigen and Fergus, arXiv 1411.4734).
    """
    counts = pixel_counts.double()
    present = counts > 0
    if not present.any():
        return torch.ones(len(counts))
    weights = torch.ones_like(counts)
    weights[present] = (counts[present].median() / counts[present]) ** power
    return weights.float()

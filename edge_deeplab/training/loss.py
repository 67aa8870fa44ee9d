"""The training losses: class-weighted cross-entropy plus Lovasz-Softmax, and a teacher's opinion.

Cross-entropy weighted by inverse frequency to a small power lifts thin and rare classes without flooding the image with
them; Lovasz-Softmax (Berman et al., arXiv 1705.08790) optimises the Jaccard index that is reported.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.config import Recipe, Weighting
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.models.picture import resize
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.training.crops import IGNORE

_STRIDE = 4
"""Lovasz sorts every pixel; a quarter-resolution lattice of them estimates it at a sixteenth of the cost."""


class SegmentationLoss(nn.Module):
    """Weighted cross-entropy plus `lovasz` times Lovasz-Softmax.

    Args:
        class_weights: (K,) float.
        lovasz: weight of the second term; 0 leaves it out.
        ignore_index: mask value that is not trained on.
        hardest: share of the pixels that count, those of the highest cross-entropy, that it is taken over.
    """

    class_weights: torch.Tensor

    def __init__(
        self,
        class_weights: torch.Tensor,
        *,
        lovasz: float,
        ignore_index: int,
        hardest: float = 1.0,
    ) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self.lovasz = lovasz
        self.ignore_index = ignore_index
        self.hardest = hardest

    def weigh(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the weight of all pixels that count, a scalar: what cross-entropy is divided by."""
        return self.class_weights[mask[mask != self.ignore_index]].sum()

    def forward(
        self, logits: torch.Tensor, mask: torch.Tensor, share: torch.Tensor | float = 1.0
    ) -> torch.Tensor:
        """Return the scalar loss; zero, with a gradient of zeros, where every pixel is ignored.

        Args:
            logits: (N, K, H, W) float32.
            mask: (N, H, W) int64 class ids.
            share: weight of this part of a step's pixels against the mean of all parts, so that cross-entropy over a
                step does not depend on how its crops are shared out.
        """
        if not (mask != self.ignore_index).any():
            return logits.sum() * 0  # cross-entropy divides by the weight of the pixels that count
        loss = self._cross_entropy(logits, mask) * share
        if self.lovasz > 0:
            lattice = (slice(None), slice(None), slice(2, None, _STRIDE), slice(2, None, _STRIDE))
            probabilities = logits[lattice].softmax(1)
            labels = mask[:, 2::_STRIDE, 2::_STRIDE]
            loss = loss + self.lovasz * lovasz_softmax(probabilities, labels, self.ignore_index)
        return loss

    def _cross_entropy(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        settings = {"weight": self.class_weights, "ignore_index": self.ignore_index}
        if self.hardest == 1:
            return functional.cross_entropy(logits, mask, **settings)  # type: ignore[arg-type]
        losses = functional.cross_entropy(logits, mask, reduction="none", **settings)  # type: ignore[arg-type]
        counts = mask != self.ignore_index
        kept, order = losses[counts].topk(ceil(self.hardest * int(counts.sum())))
        return kept.sum() / self.class_weights[mask[counts][order]].sum()


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


def class_weights(
    pixel_counts: torch.Tensor, power: float, weighting: Weighting = "power"
) -> torch.Tensor:
    """Return cross-entropy weights, a class that is absent weighing 1.

    Args:
        pixel_counts: (K,) pixels of each class.
        power: 0 weighs all alike, 1 is median-frequency balancing (Eigen and Fergus, arXiv 1411.4734).
        weighting: (median frequency / frequency) ** `power`, or 1 / ln(1.02 + frequency) (ENet, arXiv 1606.02147).
    """
    counts = pixel_counts.double()
    present = counts > 0
    if not present.any():
        return torch.ones(len(counts))
    weights = torch.ones_like(counts)
    if weighting == "log":
        weights[present] = 1 / (1.02 + counts[present] / counts.sum()).log()
        return weights.float()
    weights[present] = (counts[present].median() / counts[present]) ** power
    return weights.float()


def count_pixels(
    sources: Sequence[SegmentationDataset], num_classes: int, progress: Progress = SILENT
) -> torch.Tensor:
    """Return (num_classes,) int64 pixel counts over the labelled images."""
    counts = np.zeros(256, np.int64)
    progress.begin("counting the pixels of each class", sum(map(len, sources)), "images")
    for source in sources:
        for i in range(len(source)):
            counts += np.bincount(source[i].mask_ids.ravel(), minlength=256)
            progress.advance()
    return torch.from_numpy(counts[:num_classes])


def build_loss(
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    num_classes: int,
    progress: Progress = SILENT,
) -> SegmentationLoss:
    """Return the loss of a recipe, its class weights counted over the labelled images."""
    section = recipe.loss
    is_weighted = section.class_weights == "log" or section.class_balance > 0
    weights = torch.ones(num_classes)
    if is_weighted:
        counts = count_pixels(sources, num_classes, progress)
        weights = class_weights(counts, section.class_balance, section.class_weights)
    return SegmentationLoss(
        weights, lovasz=section.lovasz, ignore_index=IGNORE, hardest=section.hardest
    )


@dataclass(frozen=True)
class Objective:
    """What a step minimises: (1 - w) labels + w T^2 KL(teacher || student) (Hinton et al., arXiv 1503.02531).

    Args:
        loss: against the labels.
        teacher: in evaluation mode; maps the images to logits of the same classes. None: the labels alone count.
        weight: w, from 0 to 1; with 0 no teacher is run, with 1 no loss against the labels.
        temperature: T, above 0, that both opinions are softened by.
        autocast: the precision that the teacher is run in.
    """

    loss: SegmentationLoss
    teacher: nn.Module | None = None
    weight: float = 0.0
    temperature: float = 1.0
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext

    def __call__(
        self,
        logits: torch.Tensor,
        images: torch.Tensor,
        masks: torch.Tensor,
        share: torch.Tensor | float = 1.0,
    ) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            logits: (N, K, H, W) float32.
            images: (N, 3, H, W), as the network saw them.
            masks: (N, H, W) int64 class ids.
            share: as for `SegmentationLoss.forward`.
        """
        if self.teacher is None or self.weight == 0:
            labelled: torch.Tensor = self.loss(logits, masks, share)
            return labelled
        with torch.no_grad(), self.autocast():
            wanted = resize(self.teacher(images).float(), logits.shape[-2:])
        divergence = functional.kl_div(
            (logits / self.temperature).log_softmax(1),
            (wanted / self.temperature).log_softmax(1),
            reduction="none",
            log_target=True,
        )
        per_pixel: torch.Tensor = divergence.sum(1).mean() * self.temperature**2
        if self.weight == 1:
            return per_pixel
        labels: torch.Tensor = self.loss(logits, masks, share)
        return (1 - self.weight) * labels + self.weight * per_pixel

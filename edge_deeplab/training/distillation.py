"""Distillation: a network that was changed is trained against what the unchanged one says of the same pictures."""

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional

from edge_deeplab.training.loss import SegmentationLoss
from edge_deeplab.training.train import Objective


def distillation(
    loss: SegmentationLoss,
    teacher: nn.Module,
    weight: float,
    temperature: float,
    accelerator: Accelerator,
) -> Objective:
    """Return the loss against labels and teacher: (1 - w) labels + w T^2 KL(teacher || student) (Hinton et al. 2015).

    Args:
        loss: against the labels.
        teacher: the unchanged model in evaluation mode.
        weight: w, from 0 to 1; with 0 no teacher is run.
        temperature: T, above 0, that both opinions are softened by.
        accelerator: gives the precision that the teacher is run in.
    """

    def objective(logits: torch.Tensor, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        if weight == 0:
            return loss(logits, masks)  # type: ignore[no-any-return]
        with torch.no_grad(), accelerator.autocast():
            wanted = teacher(images).float()
        divergence = functional.kl_div(
            (logits / temperature).log_softmax(1),
            (wanted / temperature).log_softmax(1),
            reduction="none",
            log_target=True,
        )
        per_pixel = divergence.sum(1).mean() * temperature**2
        return (1 - weight) * loss(logits, masks) + weight * per_pixel  # type: ignore[no-any-return]

    return objective

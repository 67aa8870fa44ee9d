"""A teacher: a trained checkpoint of any network whose opinion a training follows beside the labels.

The idea to hold: teacher and student see the same crops, each normalised as it was trained.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.origins import carried, origins_of
from edge_deeplab.models.picture import scores_of
from edge_deeplab.models.views import ONE_VIEW, Views


class Renormalised(nn.Module):
    """A network that is shown what was normalised for another.

    Args:
        network: maps images (N, 3, H, W), normalised its own way, to logits.
        own: how `network` wants them.
        given: how they come.
    """

    gain: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: nn.Module, own: Normalisation, given: Normalisation) -> None:
        super().__init__()
        self.network = network
        (own_mean, own_std), (mean, std) = (
            (torch.tensor(n.mean), torch.tensor(n.std)) for n in (own, given)
        )
        self.register_buffer("gain", (std / own_std).view(1, 3, 1, 1))
        self.register_buffer("shift", ((mean - own_mean) / own_std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) to logits (N, K, H, W)."""
        logits: torch.Tensor = self.network(images * self.gain + self.shift)
        return logits


class SeveralViews(nn.Module):
    """A network that looks at each picture in several views, which agree more often with the labels than one.

    Args:
        network: maps normalised images (N, 3, H, W) to logits.
        views: whose fused scores are class probabilities.
    """

    def __init__(self, network: nn.Module, views: Views) -> None:
        super().__init__()
        self.network = network
        self.views = views

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) to logits (N, K, H, W) float32: the logarithm of the views' mean probability."""
        probabilities = scores_of(self.views, self.network, images)
        return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()


def build_teacher(teacher: Checkpoint, given: Normalisation, views: Views = ONE_VIEW) -> nn.Module:
    """Return a teacher in evaluation mode.

    Args:
        teacher: of a quantized one the float weights count.
        given: how the images that it is shown are normalised.
        views: of each picture that it looks at; their class probabilities are averaged.
    """
    network: nn.Module = Renormalised(teacher.build(), teacher.info.normalisation, given)
    if not views.is_picture:
        network = SeveralViews(network, views)
    return network.eval()


def check_teacher(teacher: Checkpoint, classes: Sequence[ClassInfo]) -> None:
    """Check that a teacher tells the classes apart that are trained, in the same order.

    Raises:
        CheckpointError: when it has others.
    """
    found, wanted = ([c.name for c in each] for each in (teacher.info.classes, classes))
    if found != wanted:
        raise CheckpointError(
            f"the teacher {teacher.name} has the classes {', '.join(found)}; those of the data were expected "
            f"({', '.join(wanted)}); pass a checkpoint that was trained on them"
        )


def told_of(teacher: Checkpoint) -> dict[str, Any]:
    """Return what a checkpoint says of its teacher."""
    return {
        "checkpoint": teacher.name,
        "sha256": teacher.sha256,
        "model": teacher.info.model,
        "licence": teacher.info.licence,
        **carried(origins_of(teacher.info.provenance)),
    }

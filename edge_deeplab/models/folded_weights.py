"""ImageNet weights whose batch norm was folded away, as found in other people's int8 files, put back to be trained.

A folded network has nothing to normalise with. Batch norm is put back without changing what the network computes: its
running statistics are what the convolutions give on some images, gain and shift undo them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError
from edge_deeplab.files import regular
from edge_deeplab.models.backbones import TENSORFLOW
from edge_deeplab.models.widths import is_depthwise


def load_folded_weights(network: nn.Module, path: Path, normalisation: Normalisation) -> None:
    """Load folded convolutions into a backbone, in place; batch norm becomes an addition until it is restored.

    TensorFlow pads strided convolutions at bottom and right alone, this network all around; training makes up for it.

    Args:
        network: a built backbone (`build_backbone`), every convolution followed by one batch norm.
        path: .npz in network order: `NN_KIND_w` (out, kh, kw, in), or (1, kh, kw, channels) where depthwise, and
            `NN_KIND_b` (out,); its network takes pixels as (x - 127.5) / 127.5; what follows the backbone is left out.
        normalisation: how the network's pixels are normalised instead.

    Raises:
        CheckpointError: when the file is no such archive or belongs to another network.
    """
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    folded = _read(path)
    if len(convolutions) != len(norms) or len(folded) < len(convolutions):
        raise CheckpointError(
            f"{path} holds {len(folded)} convolutions; the backbone has {len(convolutions)}, with {len(norms)} batch "
            "norms; weights of the same network were expected"
        )
    with torch.no_grad():
        for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
            weight, bias = folded[index]
            weight = weight.permute((3, 0, 1, 2) if is_depthwise(convolution) else (0, 3, 1, 2))
            if weight.shape != convolution.weight.shape or bias.shape != norm.running_mean.shape:  # type: ignore[union-attr]
                raise CheckpointError(
                    f"{path} does not fit the backbone at convolution {index}: {tuple(weight.shape)} came, "
                    f"{tuple(convolution.weight.shape)} was expected; pass weights of the same network"
                )
            convolution.weight.copy_(weight)
            _become_addition(norm, bias)
        _take_pixels_as(normalisation, convolutions[0], norms[0])


def restore_batch_norm(network: nn.Module, images: Iterable[torch.Tensor]) -> None:
    """Give batch norms that only add the statistics of some images, in place; what the network computes stays.

    Args:
        network: from `load_folded_weights`.
        images: each (3, H, W) float32, normalised as the network expects.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    seen: dict[nn.Module, list[torch.Tensor]] = {norm: [] for norm in norms}

    def look(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0][0].double().flatten(1)  # (C, H * W)
        seen[norm].append(torch.stack([values.mean(1), values.square().mean(1)]))

    hooks: list[Any] = [norm.register_forward_pre_hook(look) for norm in norms]
    was_training = network.training
    network.eval()
    with torch.no_grad():
        for image in images:
            network(image[None])
        for norm in norms:
            mean, square = torch.stack(seen[norm]).mean(0)
            variance = square - mean.square()
            norm.bias.add_(mean)
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
    for hook in hooks:
        hook.remove()
    network.train(was_training)


def _read(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    try:
        with regular(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            weights = sorted(name for name in archive.files if name.endswith("_w"))
            return [
                (
                    torch.from_numpy(archive[name].astype(np.float32)),
                    torch.from_numpy(archive[name.removesuffix("_w") + "_b"].astype(np.float32)),
                )
                for name in weights
            ]
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise CheckpointError(
            f"{path} is not an archive of folded convolutions ({error}); an .npz with NN_KIND_w and NN_KIND_b was "
            "expected"
        ) from error


def _become_addition(norm: nn.BatchNorm2d, bias: torch.Tensor) -> None:
    norm.reset_running_stats()
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(bias)


def _take_pixels_as(normalisation: Normalisation, first: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Let the first convolution take pixels normalised another way than `TENSORFLOW`; exact but at the padding."""
    mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
    own_mean, own_std = torch.tensor(TENSORFLOW.mean), torch.tensor(TENSORFLOW.std)
    norm.bias.add_(first.weight.sum((2, 3)) @ ((mean - own_mean) / own_std))
    first.weight.mul_((std / own_std).reshape(1, 3, 1, 1))

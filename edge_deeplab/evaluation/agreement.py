"""How often an imported network says what its file says, beside how often the file's runtime agrees with itself.

The floor: LiteRT has two sets of kernels, XNNPACK's and its own, which round differently. What they disagree on, no
import can get right.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.description import Normalisation
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import normalise
from edge_deeplab.models.quantization import ACTIVATION_LEVELS, ActivationQuantizer
from edge_deeplab.progress import Progress
from edge_deeplab.quantization.calibration import calibrate, keep_ranges
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.runtimes.base import ClassIds, Runtime
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.runtimes.torch import TorchRuntime

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FileAgreement:
    """Shares of pixels that are given the class of the file, run by LiteRT with XNNPACK.

    Args:
        images: on how many pictures.
        imported: by the imported network in float.
        quantized: by the imported network with the ranges of the file; None for a float file.
        floor: by the file itself, run by LiteRT's own kernels.
    """

    images: int
    imported: float
    quantized: float | None
    floor: float

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def measure_agreement(
    checkpoint: Checkpoint,
    file: Path,
    pictures: Sequence[Picture],
    normalisation: Normalisation | None,
    progress: Progress,
) -> FileAgreement:
    """Run a file in both of its runtimes, and the network that was imported from it, on the same pictures.

    Args:
        checkpoint: the imported network, with the file's own classes.
        file: the TFLite file.
        pictures: each (H, W, 3) uint8 of the file's size.
        normalisation: of a float or int8 input of a file that does not describe itself.
        progress: told of each prediction.

    Raises:
        ArtifactError: when a runtime does not take the file.
        MissingDependencyError: without LiteRT.
    """
    networks = [checkpoint]
    if checkpoint.info.ranges:
        networks.append(_with_ranges(checkpoint, pictures[0]))
    progress.begin(f"running {file.name}", len(pictures) * (2 + len(networks)), "predictions")
    with (
        open_artifact(file, runtime="interpreter", normalisation=normalisation) as own,
        open_artifact(file, runtime="interpreter-builtin", normalisation=normalisation) as other,
    ):
        wanted = [_ids(own, picture, progress) for picture in pictures]
        floor = _share(other, pictures, wanted, progress)
    shares = [_share(TorchRuntime(each), pictures, wanted, progress) for each in networks]
    return FileAgreement(len(pictures), shares[0], shares[1] if len(shares) > 1 else None, floor)


def _with_ranges(checkpoint: Checkpoint, picture: Picture) -> Checkpoint:
    """Return the checkpoint with the quantizers of its file; what the file tells no range of has that of a picture.

    Weights stay as they are: they are integers of the file already.
    """
    network, info = Network(checkpoint.build()), checkpoint.info
    images = [normalise(picture, info.normalisation)]
    placed = place_quantizers(network)
    with torch.no_grad():
        seen = calibrate(network, placed, images, info.normalisation, "min-max")
    kept = keep_ranges(seen, info.ranges or {}, _stored)
    return checkpoint.with_quantization(replace(kept, weight_scales={}))


def _stored(tensors: tuple[str, ...], low: float, high: float) -> ActivationQuantizer:
    """Return the quantizer of a range with the scale that the file has, which need not fit other targets."""
    bottom, top = ACTIVATION_LEVELS
    scale = (high - low) / (top - bottom)
    return ActivationQuantizer(tensors, scale, round(bottom - low / scale))


def _ids(runtime: Runtime, picture: Picture, progress: Progress) -> ClassIds:
    ids: ClassIds = runtime.predict(picture[None])[0]
    progress.advance()
    return ids


def _share(
    runtime: Runtime, pictures: Sequence[Picture], wanted: Sequence[ClassIds], progress: Progress
) -> float:
    found = [_ids(runtime, picture, progress) for picture in pictures]
    return float(np.mean([(a == b).mean() for a, b in zip(found, wanted, strict=True)]))

"""Which layers quantization costs most: each quantizer alone, everything else in float."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_deeplab.models.quantization import Quantization
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.fake_quantize import fake_quantized

SAME_DB, LOST_DB = 120.0, -400.0
"""What equal tensors are given, and those of which something is no finite number."""


@dataclass(frozen=True)
class Sensitivity:
    """What one quantizer does to the logits when it is the only one.

    Args:
        module: path of the convolution, or name of the first tensor that the quantizer is on.
        what: "weight" or "activation".
        snr_db: signal-to-noise ratio of the logits in decibels; the lower, the more it costs.
        agreement: share of pixels that keep their class.
    """

    module: str
    what: str
    snr_db: float
    agreement: float


@dataclass(frozen=True)
class Ranking:
    """Every quantizer by what it alone costs, the worst first."""

    quantizers: tuple[Sensitivity, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `qat --sensitivity --json`."""
        return {"sensitivity": [asdict(one) for one in self.quantizers]}


def rank_layers(
    model: nn.Module,
    quantization: Quantization,
    images: Sequence[torch.Tensor],
    *,
    progress: Progress = SILENT,
) -> list[Sensitivity]:
    """Return every quantizer's cost, the worst first.

    Args:
        model: the float model in evaluation mode; left as it is.
        quantization: from calibration.
        images: each (1, 3, H, W) float32, normalised; of one size.
        progress: told each quantizer.
    """
    with torch.no_grad():
        expected = torch.cat([model(image) for image in images])
        found, every = [], single_quantizers(quantization)
        progress.begin("ranking quantizers", len(every), "quantizers")
        for module, what, alone in every:
            simulated = fake_quantized(model, alone)
            logits = torch.cat([simulated(image) for image in images])
            found.append(Sensitivity(module, what, *_cost(expected, logits)))
            progress.advance()
    return sorted(found, key=lambda s: s.snr_db)


def single_quantizers(quantization: Quantization) -> list[tuple[str, str, Quantization]]:
    """Return (module, kind, quantization that holds it alone) of every quantizer."""
    weights = [
        (path, "weight", Quantization((), {path: scales}))
        for path, scales in quantization.weight_scales.items()
    ]
    activations = [
        (q.tensors[0], "activation", Quantization((q,), {})) for q in quantization.activations
    ]
    return weights + activations


def _cost(expected: torch.Tensor, found: torch.Tensor) -> tuple[float, float]:
    same = (expected.argmax(1) == found.argmax(1)).double().mean()
    return signal_to_noise_db(expected.numpy(), found.numpy()), float(same)


def signal_to_noise_db(signal: npt.NDArray[np.float32], changed: npt.NDArray[np.float32]) -> float:
    """Return 10 log10(signal power / power of the change), at most `SAME_DB`; arrays of equal shape.

    It is `LOST_DB` where either holds an infinity or what is no number: an overflow is the worst that can come.
    """
    if not (np.isfinite(signal).all() and np.isfinite(changed).all()):
        return LOST_DB
    power = float(np.square(signal, dtype=np.float64).sum())
    noise = float(np.square(np.subtract(signal, changed, dtype=np.float64)).sum())
    if noise == 0:
        return SAME_DB
    return min(SAME_DB, 10 * log10(max(power, 1e-30) / noise))

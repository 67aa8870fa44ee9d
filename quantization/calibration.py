"""Calibration: the ranges of activations over some images, as initial quantizers.

Two passes over the images: the extremes of every tensor, then, for estimators that want more, a histogram between them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from edge_deeplab.config import check_estimator
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import DataError
from edge_deeplab.models.quantization import (
    IMAGE,
    ActivationQuantizer,
    Quantization,
    activation_quantizer,
    weight_scales,
)
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.network import Network, gain_after
from edge_deeplab.quantization.placement import Placement

_BINS = 2048
_OUTSIDE = 1e-4
"""Share of values that the percentile estimator leaves outside of the range, half at each end."""


def calibrate(
    network: Network,
    placement: Placement,
    images: Sequence[torch.Tensor],
    normalisation: Normalisation,
    estimator: str = "mse",
    *,
    progress: Progress = SILENT,
) -> Quantization:
    """Return quantizers for a network in evaluation mode: post-training quantization, and the start of training.

    Args:
        network: the traced float network.
        placement: where it is quantized.
        images: each (1, 3, H, W) float32, normalised.
        normalisation: constants in 0..255 pixel units; they alone give the image's quantizer. Those of sigmoids are
            fixed as well.
        estimator: how a range follows from the values seen: their extremes ("min-max"), the mean over images of
            each image's extremes ("mean-min-max"), all but 0.01 % of the values ("percentile"), or the range of
            the smallest squared error ("mse").
        progress: told each pass over the images.

    Raises:
        ConfigError: for an unknown estimator.
        DataError: without images.
    """
    check_estimator(estimator)
    if not len(images):
        raise DataError("calibration came with no images; some of the training split were expected")
    ranges = _estimate_ranges(network, placement, images, estimator, progress)
    convolutions = {
        network.name(node): node for node in network.values() if network.kind(node) == "conv"
    }
    return Quantization(
        tuple(
            image_quantizer(normalisation)
            if tensors[0] == IMAGE
            else activation_quantizer(tensors, *(network.fixed_range(tensors) or ranges[tensors]))
            for tensors in placement.activations
        ),
        {
            path: weight_scales(
                network.layer(convolutions[path]).weight,  # type: ignore[union-attr, arg-type]
                gain_after(network, convolutions[path]),
            )
            for path in placement.weights
        },
        placement.keep_float,
    )


def image_quantizer(normalisation: Normalisation) -> ActivationQuantizer:
    """Return the quantizer of the normalised image: its range is that of pixels 0 to 255.

    Where mean and deviation are whole and equal for all channels, its integers are the pixels themselves.
    """
    channels = list(zip(normalisation.mean, normalisation.std, strict=True))
    low = min(-mean / std for mean, std in channels)
    high = max((255 - mean) / std for mean, std in channels)
    return activation_quantizer((IMAGE,), low, high)


def keep_ranges(
    quantization: Quantization,
    ranges: Mapping[str, tuple[float, float]],
    make: Callable[[tuple[str, ...], float, float], ActivationQuantizer] = activation_quantizer,
) -> Quantization:
    """Return quantizers that have the ranges of the file that a network was imported from, where these are known.

    Args:
        quantization: from `calibrate`.
        ranges: smallest and largest value by the path of the module whose result it is.
        make: gives the quantizer of a range.
    """

    def kept(quantizer: ActivationQuantizer) -> ActivationQuantizer:
        found = [_of_module(tensor, ranges) for tensor in quantizer.tensors]
        known = [extremes for extremes in found if extremes is not None]
        if len(known) < len(found):
            return quantizer
        lows, highs = zip(*known, strict=True)
        return make(quantizer.tensors, min(lows), max(highs))

    return replace(quantization, activations=tuple(map(kept, quantization.activations)))


def _of_module(
    tensor: str, ranges: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the range of a tensor, which is called after its module, or after that and a function."""
    return ranges.get(tensor) or ranges.get(tensor.rpartition(".")[0])


class _Recorder(fx.Interpreter):
    """Runs a network and shows every named tensor to a function."""

    def __init__(self, network: Network, see: Callable[[str, torch.Tensor], None]) -> None:
        super().__init__(network.module)
        self._network = network
        self._see = see

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and n.op != "output":
            self._see(self._network.name(n), value)
        return value


def _estimate_ranges(
    network: Network,
    placement: Placement,
    images: Sequence[torch.Tensor],
    estimator: str,
    progress: Progress,
) -> dict[tuple[str, ...], tuple[float, float]]:
    group_of = {name: group for group in placement.activations for name in group}
    extremes: dict[tuple[str, ...], list[list[float]]] = {g: [] for g in placement.activations}

    def note_extremes(name: str, value: torch.Tensor) -> None:
        if name in group_of:
            extremes[group_of[name]].append([float(value.min()), float(value.max())])

    progress.begin("calibrating: extremes", len(images), "images")
    show(network, images, note_extremes, progress)
    seen = {g: torch.tensor(pairs) for g, pairs in extremes.items()}
    widest = {g: (float(p[:, 0].min()), float(p[:, 1].max())) for g, p in seen.items()}
    if estimator == "min-max":
        return widest
    if estimator == "mean-min-max":
        return {g: _mean_extremes(pairs, len(images)) for g, pairs in seen.items()}
    histograms = {g: torch.zeros(_BINS) for g in placement.activations}

    def note_histogram(name: str, value: torch.Tensor) -> None:
        if name in group_of:
            group = group_of[name]
            low, high = widest[group]
            histograms[group] += torch.histc(value.float(), _BINS, low, max(high, low + 1e-6))

    progress.begin("calibrating: histograms", len(images), "images")
    show(network, images, note_histogram, progress)
    fit = _fit_percentile if estimator == "percentile" else _fit_error
    return {g: fit(histograms[g], *widest[g]) for g in placement.activations}


def _mean_extremes(pairs: torch.Tensor, images: int) -> tuple[float, float]:
    """Return the mean over images of the extremes over a group's tensors; pairs as (images x tensors, 2)."""
    by_image = pairs.reshape(images, -1, 2)
    return float(by_image[..., 0].amin(1).mean()), float(by_image[..., 1].amax(1).mean())


def show(
    network: Network,
    images: Sequence[torch.Tensor],
    see: Callable[[str, torch.Tensor], None],
    progress: Progress,
) -> None:
    """Run a network on images, one by one, and show every tensor under its name to a function."""
    recorder = _Recorder(network, see)
    with torch.no_grad():
        for image in images:
            recorder.run(image)
            progress.advance()


def _fit_percentile(histogram: torch.Tensor, low: float, high: float) -> tuple[float, float]:
    share = histogram.cumsum(0) / histogram.sum().clamp(min=1)
    first = int((share < _OUTSIDE / 2).sum())
    last = int((share < 1 - _OUTSIDE / 2).sum()) + 1
    step = (high - low) / len(histogram)
    return low + first * step, low + min(last, len(histogram)) * step


def _fit_error(histogram: torch.Tensor, low: float, high: float) -> tuple[float, float]:
    """Return the range, shrunk from both ends alike, of the smallest expected squared error over 256 levels."""
    centres = low + (torch.arange(len(histogram)) + 0.5) * (high - low) / len(histogram)
    best, best_error = (low, high), float("inf")
    for share in torch.linspace(0.3, 1.0, 71).tolist():
        quantizer = activation_quantizer((), low * share, high * share)
        integers = (torch.round(centres / quantizer.scale) + quantizer.zero_point).clamp(-128, 127)
        rounded = (integers - quantizer.zero_point) * quantizer.scale
        error = float((histogram * (centres - rounded) ** 2).sum())
        if error < best_error:
            best, best_error = (low * share, high * share), error
    return best

"""Where a file's loss comes from: the chain float model, fake-quantized model, canonical graph, file, layer by layer.

Each tensor's signal-to-noise ratio is taken against the step before, so a drift is blamed on what made it: on
quantization, on the rewrites, or on the converter and runtime of one format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.rewrites.quantizers import find_operator
from edge_deeplab.errors import CaptureError, ConfigError, EdgeDeepLabError, require
from edge_deeplab.evaluation.taps import Values, tap
from edge_deeplab.files import replace_when_complete
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import normalise, to_batch
from edge_deeplab.models.quantization import IMAGE
from edge_deeplab.quantization.fake_quantize import FakeQuantize, fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.sensitivity import signal_to_noise_db
from edge_deeplab.text import printable

PLOT_ENDINGS = (".png", ".svg", ".pdf")
DRIFT_DB = 20.0
"""A tensor that a step leaves with less has drifted there: the noise is a tenth of the signal."""


@dataclass(frozen=True)
class LayerDrift:
    """One tensor on its way along the chain.

    Args:
        module: path of the module, or module and function, that computes it.
        operator: the canonical operator's name.
        snr_db: by step ("fake-quantized", "canonical", "file"), decibels against the step before.
    """

    module: str
    operator: str
    snr_db: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """The chain of one file on one picture.

    Args:
        path: the file.
        steps: names of the steps that were compared, in order.
        layers: in the network's order.
        error: why the file could not be followed; then there are no steps and layers.
    """

    path: Path
    steps: tuple[str, ...] = ()
    layers: tuple[LayerDrift, ...] = ()
    error: str | None = None

    def first_drift(self, step: str) -> LayerDrift | None:
        """Return the first layer that a step leaves below `DRIFT_DB`; None when none is."""
        return next((layer for layer in self.layers if layer.snr_db[step] < DRIFT_DB), None)

    def worst(self, step: str) -> LayerDrift:
        """Return the layer that a step leaves worst."""
        return min(self.layers, key=lambda layer: layer.snr_db[step])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        if self.error is not None:
            return {"path": str(self.path), "error": self.error}
        first = {step: self.first_drift(step) for step in self.steps}
        return {
            "path": str(self.path),
            "steps": list(self.steps),
            "drift_below_db": DRIFT_DB,
            "first_drift": {s: None if d is None else d.module for s, d in first.items()},
            "layers": [
                {
                    "module": layer.module,
                    "operator": layer.operator,
                    "snr_db": {s: round(v, 2) for s, v in layer.snr_db.items()},
                }
                for layer in self.layers
            ],
        }


def explain(
    checkpoint: Checkpoint, paths: Sequence[Path], image_hwc: npt.NDArray[np.uint8]
) -> list[Explanation]:
    """Return the chain of each file on one picture; a file that cannot be tapped has an error instead.

    Args:
        checkpoint: what the files were exported from.
        paths: the files, all of the picture's size.
        image_hwc: (H, W, 3) uint8.

    Raises:
        CaptureError: when the checkpoint cannot be captured.
        ConfigError: when its network cannot be traced module by module.
    """
    steps, operators = _model_steps(checkpoint, image_hwc)
    found = []
    for path in paths:
        try:
            values = tap(path, image_hwc)
        except EdgeDeepLabError as error:
            found.append(Explanation(path, error=str(error)))
            continue
        shown = {module: values[name] for module, name in operators.items() if name in values}
        found.append(_compare(path, {**steps, "file": shown}, operators))
    return found


def _model_steps(
    checkpoint: Checkpoint, image_hwc: npt.NDArray[np.uint8]
) -> tuple[dict[str, Values], dict[str, str]]:
    """Return the values of each step before the files by tensor name, and the operator of each tensor."""
    info, quantization = checkpoint.info, checkpoint.quantization
    model = checkpoint.build()
    size_hw = (image_hwc.shape[0], image_hwc.shape[1])
    graph = capture(model, info.normalisation, size_hw, "logits", quantization)
    normalised = normalise(image_hwc, info.normalisation)
    network = Network(model)
    steps = {"float": _run_network(network, normalised)}
    if quantization is not None:
        carriers = {name for q in quantization.activations for name in q.tensors}
        simulated = fake_quantized(model, quantization)
        steps["fake-quantized"] = _run_fake_quantized(simulated, network, normalised)
    else:
        carriers = {network.name(node) for node in network.values()}
    nodes = [
        node
        for node in graph.program.graph.nodes
        if node.op == "call_function" and node.target not in (QUANTIZE, DEQUANTIZE)
    ]
    operators = {}
    for node in network.values():
        name = network.name(node)
        if name in carriers and name != IMAGE:
            try:
                operators[name] = find_operator(nodes, name).name
            except CaptureError:  # a rewrite has taken it away
                continue
    values = _run_graph(graph.program.module(), to_batch(image_hwc))
    steps["canonical"] = {
        name: values[operator] for name, operator in operators.items() if operator in values
    }
    return steps, operators


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the four-dimensional value of every node."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.values: dict[fx.Node, npt.NDArray[np.float32]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and value.ndim == 4 and n.op != "output":
            self.values[n] = value[0].float().numpy().copy()
        return value


def _run_network(network: Network, image: torch.Tensor) -> Values:
    recorder = _Recorder(network.module)
    with torch.no_grad():
        recorder.run(image)
    return {network.name(node): recorder.values[node] for node in network.values()}


def _run_fake_quantized(module: Any, network: Network, image: torch.Tensor) -> Values:
    """Return what the fake quantizers give, by the name of the tensor that each rounds."""
    names = {node.name: network.name(node) for node in network.module.graph.nodes}
    recorder = _Recorder(module)
    with torch.no_grad():
        recorder.run(image)
    return {
        names[node.args[0].name]: value
        for node, value in recorder.values.items()
        if node.op == "call_module"
        and isinstance(module.get_submodule(str(node.target)), FakeQuantize)
        and isinstance(node.args[0], fx.Node)
    }


def _run_graph(module: Any, pixels: torch.Tensor) -> Values:
    """Return the values of a canonical graph by operator; of a quantized tensor, what is stored."""
    recorder = _Recorder(module)
    with torch.no_grad():
        recorder.run(pixels)
    values = {}
    for node, value in recorder.values.items():
        source: Any = node.args[0] if node.args else None
        if node.target is DEQUANTIZE and source.target is QUANTIZE:
            values[source.args[0].name] = value
        elif node.target is not QUANTIZE:
            values.setdefault(node.name, value)
    return values


def _compare(path: Path, steps: Mapping[str, Values], operators: Mapping[str, str]) -> Explanation:
    names = list(steps)
    layers = []
    for module, operator in operators.items():
        if any(module not in steps[name] for name in names):
            continue
        chain = [steps[name][module] for name in names]
        snr = {
            name: signal_to_noise_db(before, after)
            for name, before, after in zip(names[1:], chain, chain[1:], strict=False)
        }
        layers.append(LayerDrift(module, operator, snr))
    return Explanation(path, tuple(names[1:]), tuple(layers))


def check_plot(path: Path) -> None:
    """Check that a plot can be drawn to a file; arguments and errors as for `plot`."""
    if path.suffix.lower() not in PLOT_ENDINGS:
        raise ConfigError(
            f"plot file {path} came; an ending of {', '.join(PLOT_ENDINGS)} was expected; rename it"
        )
    require("matplotlib", package="matplotlib", extra="compress")


def plot(explanations: Sequence[Explanation], path: Path) -> None:
    """Draw each step's signal-to-noise ratio along the network, one panel a file.

    Args:
        explanations: what to draw; those that failed are left out.
        path: .png, .svg or .pdf to write.

    Raises:
        ConfigError: when the ending is none of these.
        MissingDependencyError: without matplotlib.
        OutputError: when it cannot be written; what was there stays.
    """
    check_plot(path)
    explanations = [explanation for explanation in explanations if explanation.error is None]
    if not explanations:
        return
    matplotlib: Any = require("matplotlib", package="matplotlib", extra="compress")
    matplotlib.use("Agg")
    pyplot: Any = require("matplotlib.pyplot", package="matplotlib", extra="compress")
    figure, panels = pyplot.subplots(
        len(explanations), 1, figsize=(11, 3.4 * len(explanations)), squeeze=False, sharey=True
    )
    for panel, explanation in zip(panels[:, 0], explanations, strict=True):
        for step in explanation.steps:
            panel.plot([layer.snr_db[step] for layer in explanation.layers], label=step, marker=".")
        panel.axhline(DRIFT_DB, color="grey", linestyle=":", linewidth=1)
        panel.set_title(printable(explanation.path.name), parse_math=False)
        panel.set_ylabel("SNR, dB")
        every = max(1, len(explanation.layers) // 24)
        places = range(0, len(explanation.layers), every)
        panel.set_xticks(list(places))
        panel.set_xticklabels(
            [explanation.layers[i].module for i in places], rotation=60, ha="right", fontsize=7
        )
        panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="against the step before")
    figure.tight_layout()
    with replace_when_complete(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)

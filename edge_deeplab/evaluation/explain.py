"""Where a file's loss comes from: the chain float model, fake-quantized model, canonical graph, file, layer by layer.

Each tensor's signal-to-noise ratio is taken against the step before, so a drift is blamed on what made it: on
quantization, on the rewrites, or on the converter and runtime of one format.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.rewrites.quantizers import find_operator
from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.errors import CaptureError
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift
from edge_deeplab.evaluation.reference import find_reference
from edge_deeplab.evaluation.taps import LayerValues, tap_images
from edge_deeplab.evaluation.trial import failure_sentence
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.files import file_sha256
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.picture import normalise, to_batch
from edge_deeplab.models.quantization import IMAGE
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.fake_quantize import FakeQuantize, fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.sensitivity import signal_to_noise_db

log = logging.getLogger(__name__)

_AT_ONCE = 2
"""Pictures whose values are held in memory together, so that each file is opened once for them."""


@dataclass(frozen=True)
class _Followed:
    """What a checkpoint makes of one picture.

    Args:
        steps: the values before those of the files, by tensor.
        operators: of the canonical graph, by the tensor that they give.
        noise_db: of a step and a tensor against the step before, as far as it was asked for: it is the same for every
            file.
    """

    steps: dict[str, LayerValues]
    operators: dict[str, str]
    noise_db: dict[tuple[str, str], float] = field(default_factory=dict)


def explain_report(
    report: ParityReport, images: Sequence[ImageHWC], progress: Progress = SILENT
) -> list[tuple[DriftChain, ...]]:
    """Return the chains of every file that was measured and describes itself, one an image; by checkpoint and size.

    Args:
        report: what parity found.
        images: (H, W, 3) uint8 of any size, the pictures to follow.
        progress: told of each step.

    Raises:
        CheckpointError: when the checkpoint of a file is not found.
        CaptureError: when one cannot be captured.
        ConfigError: when its network cannot be traced module by module.
    """
    reference = report.reference_path
    reference_sha256 = None if reference is None else file_sha256(reference)
    groups: dict[tuple[Path, tuple[int, int]], list[Path]] = {}
    for artifact in report.artifacts:
        own, description = artifact.evaluation, artifact.description
        is_file = artifact.replay is None
        if is_file and own is not None and description is not None:
            source = reference
            if source is None or reference_sha256 != description.checkpoint_sha256:
                source = find_reference(None, {artifact.path: description})
            groups.setdefault((source, own.size_hw), []).append(artifact.path)
    chains: list[tuple[DriftChain, ...]] = []
    for (source, size_hw), paths in groups.items():
        resized = [resize_image(image, size_hw) for image in images]
        found = explain_images(load_checkpoint(source), paths, resized, progress)
        chains += [tuple(_sized(chain, size_hw) for chain in same) for same in found]
    return chains


def _sized(chain: DriftChain, size_hw: Size) -> DriftChain:
    """Return a chain that tells its size, of a file that lists several."""
    return replace(chain, size_hw=size_hw) if size_hw in sizes_of(chain.path) else chain


def explain(
    checkpoint: Checkpoint, paths: Sequence[Path], image_hwc: ImageHWC, progress: Progress = SILENT
) -> list[DriftChain]:
    """Return the chain of each file on one picture; as `explain_images`."""
    return [chain for (chain,) in explain_images(checkpoint, paths, [image_hwc], progress)]


def explain_images(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    images: Sequence[ImageHWC],
    progress: Progress = SILENT,
) -> list[tuple[DriftChain, ...]]:
    """Return the chains of each file, one a picture; a file that cannot be tapped has an error instead.

    Args:
        checkpoint: what the files were exported from.
        paths: the files, all of the pictures' size.
        images: (H, W, 3) uint8, all of one size.
        progress: told of each step.

    Raises:
        CaptureError: when the checkpoint cannot be captured.
        ConfigError: when its network cannot be traced module by module.
    """
    if not images:
        return []
    progress.begin(f"following {checkpoint.name} layer by layer")
    follow = _model_steps(checkpoint, (images[0].shape[0], images[0].shape[1]))
    found: list[tuple[DriftChain, ...]] = [()] * len(paths)
    for start in range(0, len(images), _AT_ONCE):
        several = images[start : start + _AT_ONCE]
        followed = [follow(image_hwc) for image_hwc in several]
        for place, path in enumerate(paths):
            progress.begin(f"reading the values inside {path.name}")
            found[place] += tuple(_explain_file(path, several, followed))
    return found


def _explain_file(
    path: Path,
    images: Sequence[ImageHWC],
    followed: Sequence[_Followed],
) -> list[DriftChain]:
    """Return a file's chains, one a picture; from the first at which it fails on they have the error."""
    found = []
    try:
        for before, values in zip(followed, tap_images(path, images), strict=True):
            found.append(_compare(path, before, values))
    except Exception as error:
        # Whatever a third-party runtime raises is this file's: the other chains, and the scores, stand.
        log.debug("%s cannot be followed", path, exc_info=True)
        failed = DriftChain(path, error=failure_sentence(path, error))
        found += [failed] * (len(images) - len(found))
    return found


def _model_steps(checkpoint: Checkpoint, size_hw: Size) -> Callable[[ImageHWC], _Followed]:
    """Return what follows pictures of a size through a checkpoint, which is captured once."""
    info, quantization = checkpoint.info, checkpoint.quantization
    model = checkpoint.build()
    graph = capture(model, info.normalisation, size_hw, "logits", quantization)
    network = Network(model)
    simulated = None if quantization is None else fake_quantized(model, quantization)
    if quantization is not None:
        carriers = {name for q in quantization.activations for name in q.tensors}
    else:
        carriers = {
            network.name(node)
            for node in network.values()
            if network.kind(node) != "slice" and not _is_folded(node, network)
        }
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
    canonical = graph.program.module()

    def follow(image_hwc: ImageHWC) -> _Followed:
        normalised = normalise(image_hwc, info.normalisation)
        steps = {"float": _run_network(network, normalised)}
        if simulated is not None:
            steps["fake-quantized"] = _run_fake_quantized(simulated, network, normalised)
        values = _run_graph(canonical, to_batch(image_hwc))
        steps["canonical"] = {
            name: values[operator] for name, operator in operators.items() if operator in values
        }
        return _Followed(steps, operators)

    return follow


def _is_folded(node: fx.Node, network: Network) -> bool:
    """Whether batch norm reads a value: in the canonical graph it is folded, and no tensor is left before it."""
    return any(
        user.op == "call_module"
        and isinstance(network.module.get_submodule(str(user.target)), nn.BatchNorm2d)
        for user in node.users
    )


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


def _run_network(network: Network, image: torch.Tensor) -> LayerValues:
    recorder = _Recorder(network.module)
    with torch.no_grad():
        recorder.run(image)
    nodes = [node for node in network.values() if node in recorder.values]
    return {network.name(node): recorder.values[node] for node in nodes}


def _run_fake_quantized(module: Any, network: Network, image: torch.Tensor) -> LayerValues:
    """Return what the fake quantizers give, by the name of the tensor that each rounds."""
    names = {node.name: network.name(node) for node in network.values()}
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


def _run_graph(module: Any, pixels: torch.Tensor) -> LayerValues:
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


def _compare(path: Path, before: _Followed, values: LayerValues) -> DriftChain:
    """Return the chain that ends in a file, from the values inside it by operator."""
    names = [*before.steps, "file"]
    layers = []
    for module, operator in before.operators.items():
        chain = [each.get(module) for each in before.steps.values()] + [values.get(operator)]
        known = [value for value in chain if value is not None]
        if len(known) < len(chain) or len({value.shape for value in known}) > 1:
            continue  # a rewrite has taken it away, or computes something else there
        snr_db = {}
        for name, signal, changed in zip(names[1:], known, known[1:], strict=False):
            noise_db = before.noise_db.get((name, module))
            if noise_db is None:
                noise_db = signal_to_noise_db(signal, changed)
            if name != "file":
                before.noise_db[name, module] = noise_db
            snr_db[name] = noise_db
        layers.append(LayerDrift(module, operator, snr_db))
    return DriftChain(path, tuple(names[1:]), tuple(layers))

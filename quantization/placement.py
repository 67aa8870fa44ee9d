"""Where quantizers go, so that Core ML, TFLite and ONNX all run the result in int8.

The rules, each from what the three runtimes do:
- A convolution, its batch norm and its ReLU become one operator: only the last of their outputs is quantized.
- Every other tensor between operators carries a quantizer, the image and the logits among them, so that nothing falls
  back to float and the class map is taken from integers.
- Tensors that resizing, max pooling or concatenation pass on share one quantizer: TFLite refuses other scales there.
- A slice of a tensor has that tensor's integers, and no quantizer of its own.
- Weights are quantized per output channel.
- A sigmoid or hard-sigmoid has a fixed range, which nothing else may share.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.quantization import split_call
from edge_deeplab.quantization.network import FIXED_RANGES, Network

QUANTIZABLE = (
    "conv",
    "norm",
    "activation",
    "add",
    "cat",
    "mean",
    "upsample_bilinear2d",
    "max_pool",
    "mul",
    "sigmoid",
    "hardsigmoid",
    "slice",
)
_SAME_SCALE = ("cat", "upsample_bilinear2d", "max_pool", "slice")
_FUSED = {"conv": ("norm", "activation"), "norm": ("activation",), "add": ("activation",)}
"""What becomes one operator with what follows it."""


@dataclass(frozen=True)
class Placement:
    """Which tensors are quantized.

    Args:
        activations: names of tensors, those that share a quantizer together, in the network's order.
        weights: paths of the convolutions whose weights are quantized.
        keep_float: module paths left in float.
    """

    activations: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...]
    keep_float: tuple[str, ...]


def place_quantizers(network: Network, keep_float: Sequence[str] = ()) -> Placement:
    """Return where a network is quantized.

    Args:
        network: the traced network.
        keep_float: paths of modules to leave in float, with all that is below them.

    Raises:
        ConfigError: when an operator has no int8 form that all three targets share, or `keep_float` names no module.
    """
    _check_paths(network, keep_float)
    nodes = [node for node in network.values() if not _in_float(network, node, keep_float)]
    _refuse_others(network, nodes)
    _refuse_shared_weights(network, nodes)
    quantized = set(nodes)
    carriers = [node for node in network.values() if _carries(network, node, quantized)]
    groups = {node: [node] for node in carriers}
    for node in nodes:
        if network.kind(node) in _SAME_SCALE:
            for source in network.inputs(node):
                _join(groups, source, node)
    order = {node: index for index, node in enumerate(carriers)}
    distinct = {id(group): sorted(group, key=order.__getitem__) for group in groups.values()}
    for group in distinct.values():
        _refuse_two_ranges(network, group)
    return Placement(
        tuple(
            tuple(network.name(n) for n in group if network.kind(n) != "slice")
            for group in distinct.values()
        ),
        tuple(network.name(n) for n in nodes if network.kind(n) == "conv"),
        tuple(keep_float),
    )


def _carries(network: Network, node: fx.Node, quantized: set[fx.Node]) -> bool:
    """Whether a tensor carries a quantizer: an int8 operator writes or reads it, and it is not inside of one."""
    readers = network.readers(node)
    if len(readers) == 1 and network.kind(readers[0]) in _FUSED.get(network.kind(node), ()):
        return False
    return node in quantized or any(reader in quantized for reader in readers)


def _join(groups: dict[fx.Node, list[fx.Node]], first: fx.Node, second: fx.Node) -> None:
    if groups[first] is groups[second]:
        return
    joined = groups[first] + groups[second]
    for node in joined:
        groups[node] = joined


def _in_float(network: Network, node: fx.Node, keep_float: Sequence[str]) -> bool:
    """Whether a node is left in float; a slice that an int8 operator reads is not."""
    name = f"{split_call(network.name(node))[0]}."
    if node.op == "placeholder" or not any(name.startswith(f"{path}.") for path in keep_float):
        return node.op == "placeholder"
    return network.kind(node) != "slice" or all(
        reader.op == "output" or _in_float(network, reader, keep_float)
        for reader in network.readers(node)
    )


def _refuse_others(network: Network, nodes: Sequence[fx.Node]) -> None:
    refused = [n for n in nodes if network.kind(n) not in QUANTIZABLE or _stands_alone(network, n)]
    if not refused:
        return
    first = refused[0]
    layer = network.layer(first)
    what = type(layer).__name__ if layer is not None else network.function(first)
    others = f"and {len(refused) - 1} more operators have" if len(refused) > 1 else "has"
    raise ConfigError(
        f"{network.name(first)} ({what}) {others} no int8 form that Core ML, TFLite and ONNX share; "
        f"{', '.join(QUANTIZABLE)} were expected; leave the module in float (keep_float), or choose another network"
    )


def _refuse_shared_weights(network: Network, nodes: Sequence[fx.Node]) -> None:
    """Refuse weights at two places: batch norm is folded into them, and their integers follow from what they read."""
    calls = Counter(n.target for n in nodes if network.kind(n) in ("conv", "norm"))
    for path, count in calls.items():
        if count > 1:
            kind = type(network.module.get_submodule(str(path))).__name__
            raise ConfigError(
                f"{path} ({kind}) is called at {count} places, which cannot share their integers; one was expected; "
                "give each place a copy, or leave it in float (keep_float)"
            )


def _refuse_two_ranges(network: Network, group: Sequence[fx.Node]) -> None:
    """Refuse a quantizer that a sigmoid, whose range is its own, would share with something of another range."""
    kinds = {network.kind(node): node for node in group if network.kind(node) not in _SAME_SCALE}
    if len(kinds) > 1 and (fixed := next((k for k in kinds if k in FIXED_RANGES), None)):
        other = next(node for kind, node in kinds.items() if kind != fixed)
        raise ConfigError(
            f"{network.name(other)} is joined with {network.name(kinds[fixed])}, whose int8 range is always that of "
            f"a {fixed}; values of one range were expected; leave the {fixed} in float (keep_float)"
        )


def _stands_alone(network: Network, node: fx.Node) -> bool:
    """Whether a batch norm follows no convolution that it could be folded into."""
    if network.kind(node) != "norm":
        return False
    (source,) = network.inputs(node)
    return network.kind(source) != "conv" or len(network.readers(source)) != 1


def _check_paths(network: Network, keep_float: Sequence[str]) -> None:
    known = {name for name, _ in network.module.named_modules()} | network.traced_modules()
    for path in keep_float:
        if path not in known:
            raise ConfigError(
                f"keep_float has {path!r}, which is of no module of this network; a path such as "
                f"{next(n for n in sorted(known) if n.count('.') == 1)} was expected"
            )

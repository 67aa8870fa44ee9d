"""A network as a graph of its modules, with a name for every tensor: what quantizers are placed on.

The graph keeps the modules (training and evaluation mode, parameters, their names) and makes the tensors between them
visible; `torch.fx` traces it from the eager model. Two things are taken apart, because a quantizer stands between their
parts: an activation that timm keeps inside of batch norm and no runtime fuses, and one that is x times a gate of x.
"""

import operator
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.quantization import GATE, IMAGE, call_name, function_name
from edge_deeplab.text import first_line

_UNCHANGED = (nn.Identity, nn.Dropout)
_UNCHANGED_FUNCTIONS = (functional.dropout, functional.dropout2d)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardtanh)
_MODULES: dict[Any, str] = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "norm",
    _ACTIVATIONS: "activation",
    nn.MaxPool2d: "max_pool",
    nn.AdaptiveAvgPool2d: "mean",
    nn.Upsample: "upsample_bilinear2d",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "hardsigmoid",
}
"""Modules, and what they compute; `_is_supported` has which of them."""
_PARTS = (torch.chunk, "chunk", torch.split, "split", "split_with_sizes", torch.narrow, "narrow")
"""Functions that give parts of a tensor, most of them in a tuple."""
_RELUS = (functional.relu, torch.relu, torch.relu_, "relu", "relu_")
_FUNCTIONS: dict[Any, str] = {
    operator.add: "add",
    operator.iadd: "add",
    torch.add: "add",
    operator.mul: "mul",
    operator.imul: "mul",
    torch.mul: "mul",
    "mul": "mul",
    torch.cat: "cat",
    functional.interpolate: "upsample_bilinear2d",
    functional.adaptive_avg_pool2d: "mean",
    "mean": "mean",
    torch.sigmoid: "sigmoid",
    functional.sigmoid: "sigmoid",
    "sigmoid": "sigmoid",
    functional.hardsigmoid: "hardsigmoid",
    **dict.fromkeys(_RELUS, "activation"),
    functional.relu6: "activation",
    functional.hardtanh: "activation",
    functional.max_pool2d: "max_pool",
    torch.max_pool2d: "max_pool",
    operator.getitem: "slice",
    **dict.fromkeys(_PARTS, "slice"),
}
"""Functions on tensors, and what they compute."""

_CALLED: dict[Any, str] = {
    **dict.fromkeys(_RELUS, "relu"),
    functional.relu6: "hardtanh",
    functional.hardtanh: "hardtanh",
    functional.max_pool2d: "max_pool2d",
    torch.max_pool2d: "max_pool2d",
}
"""Functions that the exported graph calls otherwise than by what they compute."""

_GATES: dict[Any, Any] = {
    nn.Hardswish: functional.hardsigmoid,
    functional.hardswish: functional.hardsigmoid,
    nn.SiLU: torch.sigmoid,
    functional.silu: torch.sigmoid,
}
"""Activations that are x times a gate, and the gate's function."""

FIXED_RANGES = {"sigmoid": (0.0, 255 / 256), "hardsigmoid": (0.0, 1.0)}
"""Ranges that no calibration changes: TFLite's sigmoid has no other; a hard-sigmoid is cut at both ends of its own."""

_SIZES = ("size", "dim", "numel")
"""Methods of a tensor that tell its shape, not values."""
_TOLD = ("shape", "ndim", "dtype", "device")
"""Attributes of a tensor that are no tensors."""
_ON_NUMBERS = ("_operator", "builtins", "math")
"""Modules of functions that make numbers of numbers, and sizes of sizes."""
_IN_PLACE = (operator.iadd, operator.imul, operator.isub)


class _Tracer(fx.Tracer):
    failed: str | None = None
    """Path of the innermost module whose forward cannot be traced."""

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Note where tracing ends."""
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or self.path_of_module(m)
            raise

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Batch norm stays one module: some of timm's contain the activation and look at the training mode.

        So do convolutions: some pad by what the size of their input asks for.
        """
        return isinstance(m, nn.BatchNorm2d | nn.Conv2d) or super().is_leaf_module(
            m, module_qualified_name
        )


class Network:
    """A traced network.

    Args:
        model: eager model of images; its modules are shared, not copied.

    Attributes:
        module: the same network as a `torch.fx.GraphModule`.

    Raises:
        ConfigError: when it cannot be traced.
    """

    def __init__(self, model: nn.Module) -> None:
        tracer = _Tracer()
        try:
            graph = tracer.trace(model)
        except Exception as error:  # tracing runs the model's own code on proxies
            where = f" at {tracer.failed}" if tracer.failed else ""
            raise ConfigError(
                f"{type(model).__name__} cannot be traced module by module{where} ({type(error).__name__}: "
                f"{first_line(error)}), which placing quantizers needs; a forward without branches on tensors was "
                "expected there; change it, or use another network"
            ) from error
        _drop_unread(model, graph)
        self.module = fx.GraphModule(model, graph)
        _split_norms(self.module)
        self._names = _name_tensors(graph)
        self._split_gates()
        self.module.recompile()

    def values(self) -> Iterator[fx.Node]:
        """Give the nodes that compute a tensor of their own, or are a slice of one, in order."""
        for node in self.module.graph.nodes:
            if node.op != "output" and not _is_size(node) and not self.is_unchanged(node):
                yield node

    def traced_modules(self) -> set[str]:
        """Return the paths of modules whose code is in the graph, those that hold no layers too."""
        stacks = (node.meta.get("nn_module_stack", {}) for node in self.module.graph.nodes)
        return {str(path) for stack in stacks for path, _ in stack.values() if path}

    def name(self, node: fx.Node) -> str:
        """Return the name of a node's tensor."""
        return self._names[node]

    def layer(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a node calls, if it calls one."""
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def function(self, node: fx.Node) -> str:
        """Return what the code of a node's function or method is called; of a resize with its mode."""
        called = str(getattr(node.target, "__name__", node.target))
        return f"{called}, {_mode(node)}" if node.target is functional.interpolate else called

    def kind(self, node: fx.Node) -> str:
        """Return what a node computes: one of `_MODULES` and `_FUNCTIONS`, or "other"."""
        if node.op == "placeholder":
            return IMAGE
        if node.op == "get_attr":
            return "other"
        layer = self.layer(node)
        if layer is None:
            kind = _FUNCTIONS.get(node.target, "other")
        else:
            kind = next(
                (name for types, name in _MODULES.items() if isinstance(layer, types)), "other"
            )
        return kind if _is_supported(kind, node, layer) else "other"

    def fixed_range(self, tensors: Sequence[str]) -> tuple[float, float] | None:
        """Return the range that tensors which share a quantizer have in every network; None where values give it."""
        kinds = (self.kind(node) for node in self.values() if self.name(node) in tensors)
        return next((FIXED_RANGES[kind] for kind in kinds if kind in FIXED_RANGES), None)

    def is_relu(self, node: fx.Node) -> bool:
        """Whether a node is a ReLU without an upper end: a positive factor may stand before or behind it."""
        layer = self.layer(node)
        return node.target in _RELUS if layer is None else isinstance(layer, nn.ReLU)

    def is_unchanged(self, node: fx.Node) -> bool:
        """Whether a node passes its input on (identity; dropout, at inference)."""
        if node.op == "call_function":
            return node.target in _UNCHANGED_FUNCTIONS
        return isinstance(self.layer(node), _UNCHANGED)

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """Return the tensors that a node reads."""
        read = [n for n in node.all_input_nodes if not _is_size(n)]
        return [self.inputs(n)[0] if self.is_unchanged(n) else n for n in read]

    def whole(self, node: fx.Node) -> fx.Node:
        """Return the tensor that a node is a slice of, or a slice of a slice; a node that is none itself."""
        while self.kind(node) == "slice":
            (node,) = self.inputs(node)
        return node

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that read a node's tensor, the network's output among them."""
        found: list[fx.Node] = []
        for user in node.users:
            if self.is_unchanged(user):
                found += self.readers(user)
            elif not _is_size(user):
                found.append(user)
        return found

    def activations_alone(self, quantized: Container[str]) -> set[str]:
        """Return the names of activations that follow a quantized tensor: int8 operators of their own.

        What TFLite makes of one (`TFLiteFile.requantize_relus`) needs a range that begins at 0.
        """
        return {
            self.name(node)
            for node in self.values()
            if self.kind(node) == "activation"
            and self.name(self.whole(self.inputs(node)[0])) in quantized
        }

    def norm_after(self, node: fx.Node) -> nn.BatchNorm2d | None:
        """Return the batch norm that is folded into a convolution, if one is."""
        readers = self.readers(node)
        layer = self.layer(readers[0]) if len(readers) == 1 else None
        return layer if isinstance(layer, nn.BatchNorm2d) else None

    def _split_gates(self) -> None:
        """Write activations that are x times a gate as these two, in place; the product keeps the name."""
        graph = self.module.graph
        for node in list(graph.nodes):
            layer = self.layer(node)
            gate = _GATES.get(node.target if layer is None else type(layer))
            if gate is None:
                continue
            name, (source, *_) = self._names.pop(node), node.args
            called = name if layer is None else f"{name}.{type(layer).__name__.lower()}"
            with graph.inserting_before(node):
                opened = graph.call_function(gate, (source,))
                product = graph.call_function(operator.mul, (source, opened))
            node.replace_all_uses_with(product)
            graph.erase_node(node)
            self._names |= {opened: called + GATE, product: name}


def gain_after(network: Network, node: fx.Node) -> torch.Tensor:
    """Return the (K,) factor that batch norm multiplies a convolution's channels with; ones without batch norm."""
    convolution, norm = network.layer(node), network.norm_after(node)
    assert isinstance(convolution, nn.Conv2d)
    if norm is None:
        return torch.ones(convolution.out_channels, device=convolution.weight.device)
    assert norm.running_var is not None
    gain = (norm.running_var + norm.eps).rsqrt()
    return (gain if norm.weight is None else gain * norm.weight).detach()


def _is_supported(kind: str, node: fx.Node, layer: nn.Module | None) -> bool:
    """Whether a node is of the form in which its kind has an int8 operator; its settings or operands may be others."""
    if kind in ("add", "mul"):
        return not node.kwargs and all(isinstance(operand, fx.Node) for operand in node.args)
    if node.target is operator.getitem:
        return _is_slice(*node.args)
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros"
    if isinstance(layer, nn.Upsample):
        return layer.mode == "bilinear"
    if node.target is functional.interpolate:
        return _mode(node) == "bilinear"
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return layer.output_size in (1, (1, 1))
    if node.target is functional.adaptive_avg_pool2d:
        return (*node.args[1:], node.kwargs.get("output_size"))[0] in (1, (1, 1))
    return True


def _mode(node: fx.Node) -> str:
    """Return how a call of `interpolate` samples."""
    return str((*node.args[3:4], node.kwargs.get("mode"))[0] or "nearest")


def _is_slice(source: Any, index: Any) -> bool:
    """Whether an index takes parts of a tuple of parts, or stretches of a tensor that keeps its axes."""
    if source.target in _PARTS:
        return True
    axes = index if isinstance(index, tuple) else (index,)
    return all(axis is Ellipsis or isinstance(axis, slice) for axis in axes)


def _is_size(node: fx.Node) -> bool:
    """Whether a node tells of shapes: reads one, or computes with numbers that do."""
    if node.target is getattr:
        return node.args[1] in _TOLD or _is_size(node.all_input_nodes[0])
    if node.op == "call_method" and node.target in _SIZES:
        return True
    computes = node.op == "call_method" or getattr(node.target, "__module__", None) in _ON_NUMBERS
    return computes and bool(node.all_input_nodes) and all(map(_is_size, node.all_input_nodes))


def _drop_unread(model: nn.Module, graph: fx.Graph) -> None:
    """Drop what nobody reads, in place, as the exported graph does; what changes its input is read there."""
    for node in reversed(list(graph.nodes)):
        layer = model.get_submodule(str(node.target)) if node.op == "call_module" else node
        in_place = (
            node.target in _IN_PLACE
            or node.kwargs.get("inplace", getattr(layer, "inplace", False))
            or str(node.target).endswith("_")
        )
        if node.op.startswith("call") and not node.users and not in_place:
            graph.erase_node(node)


class _Norm(nn.BatchNorm2d):
    """What timm's batch norm with an activation inside computes before it.

    Args:
        original: timm's; parameters, statistics and the activation are shared, under the same names.
    """

    def __init__(self, original: nn.BatchNorm2d) -> None:
        super().__init__(original.num_features, original.eps, original.momentum, device="meta")
        self.weight, self.bias = original.weight, original.bias
        for name, buffer in original.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.act = original.act
        self.train(original.training)


def _split_norms(module: fx.GraphModule) -> None:
    """Let activations that stand inside of batch norm and are not fused into a convolution be nodes, in place."""
    for node in list(module.graph.nodes):
        layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        act = getattr(layer, "act", None)
        fused = act is None or isinstance(act, (*_UNCHANGED, *_ACTIVATIONS))
        if fused or not isinstance(layer, nn.BatchNorm2d):
            continue
        module.set_submodule(str(node.target), _Norm(layer))
        with module.graph.inserting_after(node):
            activation = module.graph.call_module(f"{node.target}.act")
        node.replace_all_uses_with(activation)
        activation.args = (node,)


def _name_tensors(graph: fx.Graph) -> dict[fx.Node, str]:
    """Return the name of every tensor; functions are counted as the exported graph counts its operators.

    Raises:
        ConfigError: when two would have one name.
    """
    calls, functions = Counter[str](), Counter({"mean": 1, "mul": 1})  # the normalisation's own
    modules = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    names: dict[fx.Node, str] = {}
    for node in graph.nodes:
        if node.op == "output" or _is_size(node):
            continue
        if node.op == "placeholder":
            names[node] = IMAGE
        elif node.op == "call_module":
            path = str(node.target)
            names[node] = call_name(path, calls[path])
            calls[path] += 1
            if any(user.target == f"{path}.act" for user in node.users):
                names[node] += ".batch_norm"
        else:
            called = (table[node.target] for table in (_CALLED, _FUNCTIONS) if node.target in table)
            function = next(called, getattr(node.target, "__name__", node.name))
            stack = list(node.meta.get("nn_module_stack", {}).values())
            name = ".".join([*([stack[-1][0]] if stack and stack[-1][0] else []), function])
            numbered = f"{name}_{functions[name]}" if functions[name] else name
            functions[name] += 1
            names[node] = function_name(numbered, is_also_module=numbered in modules)
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ConfigError(
            f"two tensors of the network would both be called {twice[0]}, and a quantizer is for one; a name for each "
            "was expected; give the module another name"
        )
    return names

"""A network as a graph of its modules, with a name for every tensor: what quantizers are placed on.

The graph keeps the modules (training and evaluation mode, parameters, their names) and makes the tensors between them
visible; `torch.fx` traces it from the eager model.
"""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.quantization import IMAGE

_UNCHANGED = (nn.Identity, nn.Dropout)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardtanh)
_FUNCTIONS: dict[Any, str] = {
    operator.add: "add",
    operator.iadd: "add",
    torch.add: "add",
    torch.cat: "cat",
    functional.interpolate: "upsample_bilinear2d",
    "mean": "mean",
}
"""Functions on tensors, and what the exported graph calls them."""

_SIZES = (getattr, operator.getitem)
"""Functions that tell shapes, not values."""


class _Tracer(fx.Tracer):
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
        try:
            graph = _Tracer().trace(model)
        except Exception as error:  # tracing runs the model's own code on proxies
            raise ConfigError(
                f"{type(model).__name__} cannot be traced module by module ({type(error).__name__}), which placing "
                "quantizers needs; a network whose forward is plain code was expected; use another backbone"
            ) from error
        self.module = fx.GraphModule(model, graph)
        self._names = _name_tensors(graph)

    def values(self) -> Iterator[fx.Node]:
        """Give the nodes that compute a tensor of their own, in order."""
        for node in self.module.graph.nodes:
            if node.op != "output" and node.target not in _SIZES and not self.is_unchanged(node):
                yield node

    def name(self, node: fx.Node) -> str:
        """Return the name of a node's tensor."""
        return self._names[node]

    def layer(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a node calls, if it calls one."""
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def kind(self, node: fx.Node) -> str:
        """Return what a node computes: "conv", "norm", "activation", "max_pool", a function's name, or "other"."""
        layer = self.layer(node)
        if isinstance(layer, nn.Conv2d):
            return "conv"
        if isinstance(layer, nn.BatchNorm2d):
            return "norm"
        if isinstance(layer, _ACTIVATIONS):
            return "activation"
        if isinstance(layer, nn.MaxPool2d):
            return "max_pool"
        return IMAGE if node.op == "placeholder" else _FUNCTIONS.get(node.target, "other")

    def is_unchanged(self, node: fx.Node) -> bool:
        """Whether a node passes its input on (identity; dropout, at inference)."""
        return isinstance(self.layer(node), _UNCHANGED)

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """Return the tensors that a node reads."""
        read = [n for n in node.all_input_nodes if n.target not in _SIZES]
        return [self.inputs(n)[0] if self.is_unchanged(n) else n for n in read]

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that read a node's tensor, the network's output among them."""
        found: list[fx.Node] = []
        for user in node.users:
            if self.is_unchanged(user):
                found += self.readers(user)
            elif user.target not in _SIZES:
                found.append(user)
        return found

    def norm_after(self, node: fx.Node) -> nn.BatchNorm2d | None:
        """Return the batch norm that is folded into a convolution, if one is."""
        readers = self.readers(node)
        layer = self.layer(readers[0]) if len(readers) == 1 else None
        return layer if isinstance(layer, nn.BatchNorm2d) else None


def gain_after(network: Network, node: fx.Node) -> torch.Tensor:
    """Return the (K,) factor that batch norm multiplies a convolution's channels with; ones without batch norm."""
    convolution, norm = network.layer(node), network.norm_after(node)
    assert isinstance(convolution, nn.Conv2d)
    if norm is None:
        return torch.ones(convolution.out_channels, device=convolution.weight.device)
    assert norm.running_var is not None
    gain = (norm.running_var + norm.eps).rsqrt()
    return (gain if norm.weight is None else gain * norm.weight).detach()


def _name_tensors(graph: fx.Graph) -> dict[fx.Node, str]:
    names: dict[fx.Node, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        if node.op == "placeholder":
            name = IMAGE
        elif node.op == "call_module":
            name = str(node.target)
        else:
            function = _FUNCTIONS.get(node.target) or getattr(node.target, "__name__", node.name)
            stack = list(node.meta.get("nn_module_stack", {}).values())
            name = ".".join([*([stack[-1][0]] if stack and stack[-1][0] else []), function])
        free, number = name, 1
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        taken.add(free)
        names[node] = free
    return names

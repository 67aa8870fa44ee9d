"""Editing an ExportedProgram: its nodes, and the constants that feed them.

The idea to hold: in an ExportedProgram every weight is a placeholder, tied to the state dict by the
graph signature. Three tables therefore change together when a rewrite adds, moves or drops a constant;
`ProgramEditor` is the one place that does so.
"""

import copy
import itertools
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.export.graph_signature import (
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from torch.fx.graph import _Namespace
from torch.fx.passes.fake_tensor_prop import FakeTensorProp
from torch.utils._pytree import tree_flatten

from edge_deeplab.formats.operator_names import WRAPPER, identifier, module_of

_SOURCE = "edge_deeplab_source"
"""What a node's `meta["val"]` was computed from."""

_ORIGIN = ("nn_module_stack", "stack_trace")
"""What a node's metadata tells of where it stands in the model."""

NAMED = "edge_deeplab_named"
"""Mark of operators that carry their name, which a later naming leaves alone."""


class ProgramEditor:
    """A copy of a program, open for editing; `finish` gives it back as a checked program.

    Args:
        program: a functional program (after `run_decompositions`) with one input and one output; it is
            left as it is. Buffers that it would write are no outputs, and are not written.

    Attributes:
        graph: the nodes to edit.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        with warnings.catch_warnings():  # torch's own pytree classes warn when they are copied
            warnings.simplefilter("ignore", FutureWarning)
            self.graph: fx.Graph = copy.deepcopy(program.graph)
        self._output_specs = self._keep_answer()
        self._specs = _renamed(program.graph_signature.input_specs, self.graph)
        self._state: dict[str, torch.Tensor] = dict(program.state_dict)
        self._constants: dict[str, Any] = dict(program.constants)
        self._example_inputs = program.example_inputs

    def calls(self, target: Any, modules: frozenset[str] | None = None) -> list[fx.Node]:
        """Return the nodes that call an operator, in order.

        Args:
            target: operator overload.
            modules: dotted paths of those in which they stand, by their names; None takes every node.
        """
        nodes = self.graph.find_nodes(op="call_function", target=target)
        return [node for node in nodes if modules is None or module_of(node.name) in modules]

    def call(self, target: Any, *args: Any, like: fx.Node, **kwargs: Any) -> fx.Node:
        """Insert a call after a node.

        Args:
            target: operator overload.
            *args: its arguments.
            like: the node that the call follows and whose place in the model it takes.
            **kwargs: its keyword arguments.
        """
        with self.graph.inserting_after(like):
            return self._call(target, args, kwargs, like)

    def call_before(self, target: Any, *args: Any, like: fx.Node, **kwargs: Any) -> fx.Node:
        """Insert a call before a node; arguments as for `call`."""
        with self.graph.inserting_before(like):
            return self._call(target, args, kwargs, like)

    def _call(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], like: fx.Node
    ) -> fx.Node:
        node = self.graph.call_function(target, args, kwargs)
        node.meta.update({key: like.meta[key] for key in _ORIGIN if key in like.meta})
        return node

    def input(self) -> fx.Node:
        """Return the placeholder of the program's input."""
        (name,) = [spec.arg.name for spec in self._specs if spec.kind == InputKind.USER_INPUT]
        node: fx.Node
        (node,) = [n for n in self.graph.find_nodes(op="placeholder") if n.name == name]
        return node

    def replace_input(self, example: torch.Tensor) -> fx.Node:
        """Give the program's input the shape and type of an example, and return its placeholder."""
        _, kwargs = self._program.example_inputs or ((), {})
        named = dict.fromkeys(kwargs, example)
        self._example_inputs = ((), named) if named else ((example,), {})
        node = self.input()
        node.meta["val"] = self._fake(example)
        return node

    def output(self) -> fx.Node:
        """Return the node whose value is the program's output."""
        (node,) = self.graph.output_node().all_input_nodes
        return node

    def constants(self) -> list[fx.Node]:
        """Return the placeholders that carry constants."""
        return [node for node in self.graph.find_nodes(op="placeholder") if self._path(node)]

    def is_constant(self, node: object) -> bool:
        """Whether a node is a placeholder that carries a constant."""
        return self._path(node) is not None

    def constant(self, node: object) -> torch.Tensor:
        """Return the constant that a placeholder carries."""
        path = self._path(node)
        assert path is not None
        value: torch.Tensor = self._state[path] if path in self._state else self._constants[path]
        return value

    def module_path(self, node: object) -> str:
        """Return the dotted path of the module that holds a constant."""
        return (self._path(node) or "").rpartition(".")[0]

    def add_constant(self, path: str, value: torch.Tensor) -> fx.Node:
        """Add a constant and return the placeholder that carries it.

        Args:
            path: dotted path it stands under in the state dict; a number is added when it is taken.
            value: the tensor.
        """
        path, value = self._free_path(path), value.detach()
        with self.graph.inserting_before(next(iter(self.graph.nodes))):
            node = self.graph.placeholder(identifier(path))
        node.meta["val"] = self._fake(value)
        argument = TensorArgument(node.name)
        self._specs.insert(0, InputSpec(InputKind.BUFFER, argument, path, persistent=True))
        self._state[path] = value
        return node

    def replace_constant(self, node: object, value: torch.Tensor) -> None:
        """Give a constant another value of the same shape."""
        path = self._path(node)
        assert path is not None
        assert isinstance(node, fx.Node)
        table = self._state if path in self._state else self._constants
        value = value.detach()
        node.meta["val"] = self._fake(value)
        is_parameter = isinstance(table[path], torch.nn.Parameter)
        table[path] = torch.nn.Parameter(value, requires_grad=False) if is_parameter else value

    def shorten_paths(self, prefix: str) -> None:
        """Drop a prefix from the paths of constants, and name the placeholders after the paths."""
        for node in self.constants():
            spec = self._spec(node)
            assert spec is not None
            old, new = str(spec.target), str(spec.target).removeprefix(prefix)
            for table in (self._state, self._constants):
                if old in table:
                    table[new] = table.pop(old)
            node._rename(identifier(new))
            moved = InputSpec(spec.kind, TensorArgument(node.name), new, spec.persistent)
            self._specs[self._specs.index(spec)] = moved

    def name(self, node: fx.Node, name: str) -> None:
        """Name an operator; `name_operators` then leaves it alone."""
        node._rename(name)
        node.meta[NAMED] = True

    def replace(self, node: fx.Node, by: fx.Node, name: str) -> None:
        """Put an operator in another's place and drop the other, whose name is free for it."""
        node.replace_all_uses_with(by)
        self.graph.erase_node(node)
        self.forget_names([by])
        self.name(by, name)

    def forget_names(self, nodes: Iterable[fx.Node]) -> None:
        """Free the names of nodes that are about to be renamed: a graph never gives a name twice."""
        forgotten = set(nodes)
        self.graph._graph_namespace = namespace = _Namespace()
        for node in self.graph.nodes:
            if node not in forgotten:
                namespace.create_name(node.name, node)
        for node in forgotten:
            node.name = namespace.create_name("unnamed", node)

    def finish(self) -> ExportedProgram:
        """Return the edited program: unused nodes and constants dropped, shapes known, verified."""
        self.graph.eliminate_dead_code()
        self._drop_unused_constants()
        shapes = _Shapes(self._program.graph_module, self.graph, self._fake_mode())
        shapes.propagate_dont_convert_inputs()
        signature = copy.copy(self._program.graph_signature)
        signature.input_specs = self._specs
        (output,) = map(copy.copy, self._output_specs)
        output.arg = TensorArgument(self.output().name)
        signature.output_specs = [output]
        return ExportedProgram(
            root=self._program.graph_module,
            graph=self.graph,
            graph_signature=signature,
            state_dict=self._state,
            range_constraints=self._program.range_constraints,
            module_call_graph=self._program.module_call_graph,
            example_inputs=self._example_inputs,
            constants=self._constants,
            verifiers=self._program.verifiers,
        )

    def _keep_answer(self) -> list[OutputSpec]:
        """Let the graph give its answer alone, without the state that it leaves behind, and return what tells of it."""
        specs = self._program.graph_signature.output_specs
        answers = [spec.kind == OutputKind.USER_OUTPUT for spec in specs]
        node = self.graph.output_node()
        given: Any = node.args[0]
        node.args = (tuple(itertools.compress(given, answers)),)
        return list(itertools.compress(specs, answers))

    def _spec(self, node: object) -> InputSpec | None:
        if not isinstance(node, fx.Node) or node.op != "placeholder":
            return None
        return next(spec for spec in self._specs if spec.arg.name == node.name)

    def _path(self, node: object) -> str | None:
        spec = self._spec(node)
        return None if spec is None or spec.kind == InputKind.USER_INPUT else spec.target

    def _free_path(self, path: str) -> str:
        free, number = path, 1
        while free in self._state:
            free, number = f"{path}_{number}", number + 1
        return free

    def _fake(self, value: torch.Tensor) -> torch.Tensor:
        return self._fake_mode().from_tensor(value, static_shapes=True)

    def _fake_mode(self) -> FakeTensorMode:
        mode: FakeTensorMode = self.input().meta["val"].fake_mode
        return mode

    def _drop_unused_constants(self) -> None:
        for node in [node for node in self.constants() if not node.users]:
            spec = self._spec(node)
            assert spec is not None
            self._specs.remove(spec)
            self._state.pop(str(spec.target), None)
            self._constants.pop(str(spec.target), None)
            self.graph.erase_node(node)


def traced_in(node: fx.Node) -> str:
    """Return the path of the innermost module that a node was traced in."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path: str = stack[-1][0] if stack else ""
    return f"{path}.".removeprefix(WRAPPER).removesuffix(".")


class _Shapes(FakeTensorProp):
    """Shapes of a graph's values; those of an operator whose target and arguments are as they were are known.

    Args:
        module: holds what the graph takes as an attribute.
        graph: the nodes, whose `meta["val"]` is set.
        mode: of the values that the placeholders have.
    """

    def __init__(self, module: fx.GraphModule, graph: fx.Graph, mode: FakeTensorMode) -> None:
        super().__init__(module, mode)
        self.graph = graph
        self.garbage_collect_values = False

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder":
            return n.meta["val"]
        if n.op != "call_function":
            return super().run_node(n)
        source = _source_of(n)
        if not _are_same(source, n.meta.get(_SOURCE, [])):
            super().run_node(n)
            n.meta[_SOURCE] = source
        return n.meta.get("val")  # a check of types has none


def _source_of(node: fx.Node) -> list[object]:
    """Return what a node's value follows from: its target and its arguments, the values of nodes among them."""
    given = fx.map_arg((node.args, node.kwargs), lambda read: read.meta["val"])
    leaves, form = tree_flatten(given)
    return [node.target, form, *leaves]


def _are_same(some: list[object], others: list[object]) -> bool:
    """Whether sources are equal part by part; a tensor is only to itself."""
    return len(some) == len(others) and all(
        one is other
        or (not isinstance(one, torch.Tensor) and type(one) is type(other) and one == other)
        for one, other in zip(some, others, strict=True)
    )


def _renamed(specs: Iterable[InputSpec], graph: fx.Graph) -> list[InputSpec]:
    """Return specs under the names of the placeholders, which copying a graph may change ("input")."""
    return [
        InputSpec(spec.kind, TensorArgument(node.name), spec.target, spec.persistent)
        for spec, node in zip(specs, graph.find_nodes(op="placeholder"), strict=True)
    ]

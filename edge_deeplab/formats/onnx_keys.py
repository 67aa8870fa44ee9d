"""Keys of the values of an ONNX file: two branches of an If may each have a value of the same name."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from edge_deeplab.formats.stored.names import FreeNames


def keyed_nodes(graph: Any) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """Yield nodes as `nodes_within` does, each with the keys of the values by the names that it may use.

    A key is the name, with a number behind it where another graph of the file has a value of that name.

    Raises:
        ValueError: when a graph has several values of one name.
    """
    yield from _keyed(graph, ChainMap(), FreeNames())


def _keyed(
    graph: Any, outer: ChainMap[str, str], free: FreeNames
) -> Iterator[tuple[Any, Mapping[str, str]]]:
    named = [value.name for value in (*graph.input, *graph.initializer)]
    computed = [name for node in graph.node for name in node.output if name]
    keys = outer.new_child({name: free.next(name) for name in dict.fromkeys(named + computed)})
    if len(keys.maps[0]) < len(set(named)) + len(computed):
        raise ValueError("several of its operators compute a value of one name")
    for node in graph.node:
        yield node, keys
    for nested in nested_graphs(graph):
        yield from _keyed(nested, keys, free)


def nested_graphs(graph: Any) -> Iterator[Any]:
    """Yield the graphs of a graph's own nodes (branches, loop bodies), not those within them."""
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.graphs
            if attribute.HasField("g"):
                yield attribute.g

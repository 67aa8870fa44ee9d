"""A TFLite file as an operator graph: float weights, and what its integers say of ranges kept beside them.

The idea to hold: a file was written for one size, and here sizes follow the picture again. An average over the whole
map is a mean; a map that is enlarged to a size takes it from an earlier value of that size; a pooled pixel that is
tiled is resized; "same" padding is worked out when a picture comes. What only moves or rounds numbers is left out, and
the pixels' way to the first convolution becomes the normalisation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from edge_deeplab.description import METADATA_KEY, Description, Normalisation, parse_description
from edge_deeplab.errors import ArtifactError, UnsupportedOperatorError
from edge_deeplab.formats.graph import Operator
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.stored.flatbuffer import FlatModel
from edge_deeplab.formats.tflite import read_tflite, reading_flatbuffer
from edge_deeplab.formats.tflite_metadata import read_metadata
from edge_deeplab.models.operator_graph import (
    CLASSIFIER,
    GraphOperator,
    build_graph,
    graph_of,
    needed_for,
    sizes_at,
)
from edge_deeplab.models.tflite.building import GraphBuilder, NoPlaceError
from edge_deeplab.models.tflite.constants import Constants, Range
from edge_deeplab.models.tflite.operators import AFTER_CLASS_MAP, TRANSLATED


@dataclass(frozen=True)
class TFLiteNetwork:
    """What a TFLite file holds of a network.

    Args:
        operators: its graph.
        tensors: weights and biases by path, float32.
        ranges: smallest and largest value of an operator's result in the file, by path; empty for a float file.
        normalisation: what its pixels are normalised with.
        size_hw: height and width that it was written for.
        description: what it says of itself, if it is one of this project's.
    """

    operators: tuple[GraphOperator, ...]
    tensors: Mapping[str, torch.Tensor]
    ranges: Mapping[str, Range]
    normalisation: Normalisation
    size_hw: tuple[int, int]
    description: Description | None


def read_network(path: Path, normalisation: Normalisation | None = None) -> TFLiteNetwork:
    """Return the network of a TFLite file.

    Args:
        path: the file.
        normalisation: what pixels are normalised with for a float or int8 input of a file of another project; a uint8
            input takes pixels as they are.

    Raises:
        ArtifactError: when it cannot be read, or is no segmentation of one RGB picture.
        UnsupportedOperatorError: for operators that have no place in such a graph.
        MissingDependencyError: without ai-edge-litert.
    """
    operators, content = read_tflite(path).operators, read_bytes(path)
    unknown = dict.fromkeys(o.type for o in operators if o.type not in TRANSLATED)
    if unknown:
        where = f"{path} cannot be trained on: the import of TFLite files"
        raise UnsupportedOperatorError(list(unknown), where)
    try:
        with reading_flatbuffer(path):
            text = read_metadata(content, METADATA_KEY)
            model = FlatModel(content)
            builder = GraphBuilder(Constants(model), normalisation)
            output = _output(model)
            for operator in _leading_to(output, operators):
                _translate(builder, operator)
            description = None if text is None else parse_description(text, path=str(path))
            return _finish(builder, output, description)
    except NoPlaceError as error:
        raise ArtifactError(
            f"{path} cannot be imported: {error}; a network that maps one RGB picture to scores of classes, at any "
            "size, was expected; import a file of such a network"
        ) from error


def _output(model: FlatModel) -> str:
    """Return the key of the one value that the file gives."""
    declared = model.vector(model.graphs()[0], "Outputs")
    if len(declared) != 1:
        raise NoPlaceError(f"it gives {len(declared)} outputs and not the scores alone")
    return str(int(declared[0]))


def _leading_to(output: str, operators: Sequence[Operator]) -> list[Operator]:
    """Return the operators that a value is computed by, in order."""
    needed, kept = {output}, []
    for operator in reversed(operators):
        if needed.intersection(operator.writes):
            needed.update(operator.reads)
            kept.append(operator)
    return kept[::-1]


def _translate(builder: GraphBuilder, operator: Operator) -> None:
    if builder.scores is None:
        TRANSLATED[operator.type](builder, operator)
    elif operator.type not in AFTER_CLASS_MAP:
        raise NoPlaceError(f"{operator.type} ({operator.name}) follows the class map")


def _finish(builder: GraphBuilder, output: str, description: Description | None) -> TFLiteNetwork:
    """Return the network, checked against the sizes that the file declares."""
    scores = builder.scores or builder.name_of(output)
    if not builder.operators or scores is None:
        raise NoPlaceError("it computes nothing")
    if builder.size(scores) != builder.size_hw:
        scores = builder.enlarge(scores)
    builder.operators = needed_for(scores, builder.operators)
    builder.rename(_classifier(builder.operators), CLASSIFIER)
    operators = tuple(builder.operators)
    tensors = {
        f"{operator.path}.{key}": tensor
        for operator in operators
        for key, tensor in builder.tensors.get(operator.name, {}).items()
    }
    ranges = {o.path: builder.ranges[o.name] for o in operators if o.name in builder.ranges}
    _check(builder, tensors)
    return TFLiteNetwork(
        operators, tensors, ranges, builder.normalisation(), builder.size_hw, description
    )


def _classifier(operators: Sequence[GraphOperator]) -> str:
    """Return the convolution whose scores are only resized on."""
    by_name = {o.name: o for o in operators}
    last = operators[-1]
    while last.kind == "resize" and last.inputs[0] in by_name:
        last = by_name[last.inputs[0]]
    if last.kind != "conv" or sum(last.name in o.inputs for o in operators) > 1:
        raise NoPlaceError(f"its scores come from {last.kind} and not from one convolution")
    return last.name


def _check(builder: GraphBuilder, tensors: Mapping[str, torch.Tensor]) -> None:
    """Check the graph as a checkpoint's is checked, its tensors, and every size against what the file declares."""
    classes = len(tensors[f"{CLASSIFIER}.weight"])
    with torch.device("meta"):
        network = build_graph(graph_of(builder.operators), classes)
    for name, expected in network.state_dict().items():
        if tensors[name].shape != expected.shape:
            raise ValueError(f"{name} is {tuple(tensors[name].shape)}, not {tuple(expected.shape)}")
    found = sizes_at(network, builder.size_hw)
    for operator in builder.operators:
        height, width = found[operator.name][2:]
        if (height, width) != builder.size(operator.name):
            declared = "{}x{}".format(*builder.size(operator.name))
            raise NoPlaceError(
                f"{operator.name} gives {height}x{width} and the file says {declared}"
            )

"""TFLite files that harm the process which runs them: tiny, well-formed flatbuffers with a number or two changed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.tiny_files import TFLiteBuilder

PICTURE = (1, 8, 8, 3)
Writer = Callable[[Path], Path]


def write_crash_when_opened(path: Path) -> Path:
    """A STRIDED_SLICE whose required operand is absent: LiteRT 2.3 reads through it while it plans memory."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, PICTURE) for name in ("image", "result"))
    end, strides = (
        builder.tensor(name, (4,), "INT32", data=np.array(values, np.int32))
        for name, values in (("end", PICTURE), ("strides", (1, 1, 1, 1)))
    )
    options = {"options": "StridedSliceOptions"}
    builder.add("STRIDED_SLICE", [image, -1, end, strides], [result], **options)
    return builder.save(path, [image], [result])


def write_crash_when_run(path: Path) -> Path:
    """A SOFTMAX whose output has a type of no size: LiteRT 2.3 writes floats to where nothing is."""
    builder = TFLiteBuilder()
    image, larger, scores = (
        builder.tensor("image", PICTURE),
        builder.tensor("larger", (1, 32, 32, 3)),
        builder.tensor("scores", (1, 32, 32, 3)),
    )
    size = builder.tensor("size", (2,), "INT32", data=np.array([32, 32], np.int32))
    builder.add("RESIZE_BILINEAR", [image, size], [larger], options="ResizeBilinearOptions")
    builder.add("SOFTMAX", [larger], [scores], options="SoftmaxOptions", beta=1.0)
    builder.graph.tensors[scores].type = schema.TensorType.RESOURCE
    return builder.save(path, [image], [scores])


def write_memory_hog(path: Path) -> Path:
    """A TILE, in a file of half a kilobyte, that repeats a picture until it takes 5 GB."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, PICTURE) for name in ("image", "result"))
    times = builder.tensor("times", (4,), "INT32", data=np.array([1, 2600, 2600, 1], np.int32))
    builder.add("TILE", [image, times], [result])
    return builder.save(path, [image], [result])


def write_endless(path: Path) -> Path:
    """A WHILE whose condition is a constant, in a file of less than a kilobyte."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, PICTURE) for name in ("image", "result"))
    loop = {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}
    builder.add("WHILE", [image], [result], options="WhileOptions", **loop)
    main = builder.graph
    _begin_subgraph(builder)
    given = builder.tensor("given", PICTURE)
    always = builder.tensor("always", (1,), "BOOL", data=np.array([True]))
    _end_subgraph(builder, given, always)
    _begin_subgraph(builder)
    given, next_one = (builder.tensor(name, PICTURE) for name in ("given", "next"))
    builder.add("RELU", [given], [next_one])
    _end_subgraph(builder, given, next_one)
    builder.graph = main
    return builder.save(path, [image], [result])


def write_shared_offsets(path: Path, entries: int = 400_000, name_bytes: int = 4_000_000) -> Path:
    """Metadata whose entries all are one table, whose name is long: 5.6 MB that read like 1.6 TB."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, PICTURE) for name in ("image", "result"))
    builder.add("RELU", [image], [result])
    builder.describe("n" * name_bytes, "text")
    for _ in range(entries - 1):
        builder.model.metadata.append(builder.model.metadata[0])
    return _save_with_shared_metadata(builder, path, image, result)


def write_harmless(path: Path) -> Path:
    """A RELU of a uint8 picture, which any runtime runs."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, PICTURE) for name in ("image", "result"))
    builder.add("RELU", [image], [result])
    return builder.save(path, [image], [result])


def write_onnx_memory_hog(path: Path) -> Path:
    """A Tile that repeats a picture until it takes 5 GB."""
    times = numpy_helper.from_array(np.array([1, 1, 2600, 2600], np.int64), "times")
    return _save_onnx(path, [helper.make_node("Tile", ["image", "times"], ["result"])], [times])


def write_onnx_endless(path: Path) -> Path:
    """A Loop whose condition is a constant."""
    number = TensorProto.INT64
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Relu", ["given"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", number, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("given", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(2**62, np.int64), "turns"),
        numpy_helper.from_array(np.array(True), "always"),
    ]
    loop = helper.make_node("Loop", ["turns", "always", "image"], ["result"], body=body)
    return _save_onnx(path, [loop], constants)


def _save_onnx(path: Path, nodes: list[NodeProto], constants: list[TensorProto]) -> Path:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", (1, 3, 8, 8)), ("result", None))
    ]
    graph = helper.make_graph(nodes, "hostile", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


HOSTILE: Mapping[str, Writer] = {
    "crash when opened": write_crash_when_opened,
    "crash when run": write_crash_when_run,
    "memory": write_memory_hog,
    "endless": write_endless,
}


def _begin_subgraph(builder: TFLiteBuilder) -> None:
    builder.graph = schema.SubGraphT()
    builder.graph.tensors, builder.graph.operators = [], []


def _end_subgraph(builder: TFLiteBuilder, given: int, result: int) -> None:
    builder.graph.inputs, builder.graph.outputs = np.array([[given], [result]], np.int32)
    builder.model.subgraphs.append(builder.graph)


def _save_with_shared_metadata(builder: TFLiteBuilder, path: Path, image: int, result: int) -> Path:
    """Save, with each metadata table that is one object written once."""
    written: dict[int, int] = {}
    pack = schema.MetadataT.Pack

    def pack_once(table, flatbuffer):
        if id(table) not in written:
            written[id(table)] = pack(table, flatbuffer)
        return written[id(table)]

    schema.MetadataT.Pack = pack_once
    try:
        return builder.save(path, [image], [result])
    finally:
        schema.MetadataT.Pack = pack

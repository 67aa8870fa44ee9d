"""Tiny files of the three formats, written through each format's own schema: no converter, no torch."""

import json
import struct
from types import SimpleNamespace

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

from edge_deeplab.checker.report import ArtifactReport, check_artifact
from edge_deeplab.formats.coreml import load_proto_module
from edge_deeplab.lab.observers import available_observers

CHANNELS = 8
BLOB_TYPES = {"FLOAT16": (1, 2), "FLOAT32": (2, 4), "INT8": (4, 1)}
"""Number in a weight file and bytes each."""
BLOB_ALIGNMENT, BLOB_SENTINEL = 64, 0xDEADBEEF
INTEGERS = {"ArgMax": TensorProto.INT64}
"""Element types of outputs that are not float."""


@pytest.fixture(scope="session")
def tiny():
    """What the fixtures below are made with, for tests that need other files."""
    return SimpleNamespace(
        TFLiteBuilder=TFLiteBuilder,
        ProgramBuilder=ProgramBuilder,
        add_depthwise=add_depthwise,
        conv_node=conv_node,
        save_onnx=save_onnx,
        weights=weights,
    )


class TFLiteBuilder:
    """A TFLite model under construction; tensors and operators are added in order."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, b"tiny"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.model.metadata = [], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, dtype="FLOAT32", data=None):
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), np.array(shape, np.int32)
        tensor.type, tensor.hasRank = getattr(schema.TensorType, dtype), True
        tensor.buffer = 0 if data is None else self._buffer(np.asarray(data).tobytes())
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add(self, kind, inputs, outputs, version=1, custom=None, **options):
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind, version, custom)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            name = options.pop("options")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(schema, f"{name}T")()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)

    def describe(self, name, text):
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._buffer(text.encode())
        self.model.metadata.append(entry)

    def sign(self, inputs, outputs, key="serving_default", subgraph=0):
        """Add a signature; `inputs` and `outputs` are pairs of name and tensor."""
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key and key.encode(), subgraph
        signature.inputs, signature.outputs = _tensor_maps(inputs), _tensor_maps(outputs)
        self.model.signatureDefs = [*(self.model.signatureDefs or []), signature]

    def save(self, path, inputs, outputs):
        self.graph.inputs, self.graph.outputs = (
            np.array(inputs, np.int32),
            np.array(outputs, np.int32),
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path

    def _buffer(self, content):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _code(self, kind, version, custom):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = version, custom
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def _tensor_maps(tensors):
    maps = [schema.TensorMapT() for _ in tensors]
    for entry, (name, index) in zip(maps, tensors, strict=True):
        entry.name, entry.tensorIndex = name and name.encode(), index
    return maps


def weights(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def add_depthwise(builder, source, result, *, rate, name="depthwise", weight=None):
    """Add a 3x3 depthwise convolution with its constants; padding "same", stride 1."""
    if weight is None:
        data = weights(1, 3, 3, CHANNELS)
        weight = builder.tensor(f"{name}_weight", data.shape, data=data)
    bias = builder.tensor(f"{name}_bias", (CHANNELS,), data=np.zeros(CHANNELS, np.float32))
    builder.add(
        "DEPTHWISE_CONV_2D",
        [source, weight, bias],
        [result],
        version=2 if rate > 1 else 1,
        options="DepthwiseConv2DOptions",
        strideW=1,
        strideH=1,
        depthMultiplier=1,
        dilationHFactor=rate,
        dilationWFactor=rate,
    )


def check_observed(path, profiles=()) -> ArtifactReport:
    """Return the report of a file, with what the runtimes of this machine were seen to do."""
    return check_artifact(path, profiles, available_observers())


def write_tiny_tflite(path):
    """Write a depthwise convolution at rate 6 and an ARG_MAX, which XNNPACK leaves out."""
    builder = TFLiteBuilder()
    shape = (1, 16, 16, CHANNELS)
    image = builder.tensor("image", shape)
    features = builder.tensor("aspp__branches__1__2__relu", shape)
    axis = builder.tensor("axis", (1,), "INT32", data=np.array([3], np.int32))
    classes = builder.tensor("classes", shape[:3], "INT32")
    add_depthwise(builder, image, features, rate=6, name="aspp__branches__1__0__conv2d")
    argmax = {"options": "ArgMaxOptions", "outputType": schema.TensorType.INT32}
    builder.add("ARG_MAX", [features, axis], [classes], **argmax)
    builder.describe("edge_deeplab", "{}")
    builder.sign([("image", image)], [("classes", classes)])
    return builder.save(path, [image], [classes])


@pytest.fixture
def tflite_path(tmp_path):
    """A depthwise convolution at rate 6 and an ARG_MAX, which XNNPACK leaves out."""
    return write_tiny_tflite(tmp_path / "tiny.tflite")


@pytest.fixture(scope="module")
def tflite_report(tmp_path_factory):
    """The report of the same file, measured once."""
    return check_observed(write_tiny_tflite(tmp_path_factory.mktemp("report") / "tiny.tflite"))


def value_info(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def save_onnx(
    path,
    nodes,
    initializers,
    *,
    image_shape=(1, CHANNELS, 16, 16),
    image_type=TensorProto.FLOAT,
    domains=(),
    ours=True,
):
    """Write a checked ONNX file from "image" to the last node's output, all values declared."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value_info("image", image_shape, image_type)],
        [value_info(nodes[-1].output[0], None, INTEGERS.get(nodes[-1].op_type, TensorProto.FLOAT))],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    if ours:
        helper.set_model_props(model, {"edge_deeplab": "{}"})
    path.write_bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())
    return path


def conv_node(name="conv2d", source="image", weight="model.aspp.branches.1.0.weight", **attributes):
    defaults = {"group": CHANNELS, "dilations": [6, 6], "pads": [6] * 4, "kernel_shape": [3, 3]}
    return helper.make_node(
        "Conv", [source, weight], [name], name=name, **{**defaults, **attributes}
    )


@pytest.fixture
def onnx_path(tmp_path):
    """A depthwise convolution at rate 6, a resize and an argmax."""
    nodes = [
        conv_node(),
        helper.make_node("Resize", ["conv2d", "", "", "sizes"], ["resized"], mode="linear"),
        helper.make_node("ArgMax", ["resized"], ["classes"], axis=1, keepdims=0),
    ]
    constants = {
        "model.aspp.branches.1.0.weight": weights(CHANNELS, 1, 3, 3),
        "sizes": np.array([1, CHANNELS, 64, 64], np.int64),
    }
    return save_onnx(tmp_path / "tiny.onnx", nodes, constants)


class ProgramBuilder:
    """A Core ML package under construction, as coremltools writes it; its weights are zeros."""

    def __init__(self, *, opset="CoreML6", described=True):
        self.mil = load_proto_module("MIL_pb2")
        self.model = load_proto_module("Model_pb2").Model()
        self.model.specificationVersion = 7
        if described:
            self.model.description.metadata.userDefined["edge_deeplab"] = "{}"
        self.model.mlProgram.version = 1
        self.model.description.input.add(name="image").type.multiArrayType.SetInParent()
        function = self.model.mlProgram.functions["main"]
        function.opset = opset
        self.function = function
        self.block = function.block_specializations[opset]
        self.weights = [struct.pack("<II56x", 0, 2)]

    def type_of(self, target, dtype, shape):
        target.tensorType.dataType = self.mil.DataType.Value(dtype)
        target.tensorType.rank = len(shape)
        for size in shape:
            target.tensorType.dimensions.add().constant.size = size

    def const(self, name, dtype, shape, values=()):
        """Add a constant: with values a setting, without a weight in the weight file."""
        operation = self.block.operations.add(type="const")
        output = operation.outputs.add(name=name)
        self.type_of(output.type, dtype, shape)
        value = operation.attributes["val"]
        self.type_of(value.type, dtype, shape)
        if values:
            field = {"INT32": "ints", "BOOL": "bools", "STRING": "strings"}[dtype]
            getattr(value.immediateValue.tensor, field).values.extend(values)
        else:
            value.blobFileValue.fileName = "@model_path/weights/weight.bin"
            value.blobFileValue.offset = self._store(dtype, shape)
        return name

    def _store(self, dtype, shape):
        """Add zeros to the weight file and return where they are described."""
        number, size = BLOB_TYPES[dtype]
        length = int(np.prod(shape)) * size
        place = sum(map(len, self.weights))
        start = place + BLOB_ALIGNMENT
        self.weights += [
            struct.pack("<IIQQ40x", BLOB_SENTINEL, number, length, start),
            bytes(-(-length // BLOB_ALIGNMENT) * BLOB_ALIGNMENT),
        ]
        return place

    def add(self, kind, name, dtype, shape, **inputs):
        operation = self.block.operations.add(type=kind)
        for key, source in inputs.items():
            operation.inputs[key].arguments.add().name = source
        self.type_of(operation.outputs.add(name=name).type, dtype, shape)
        return name

    def conv(self, name, source, shape, *, rate, dtype="FLOAT16", kernel=(3, 3)):
        channels = shape[1]
        return self.add(
            "conv",
            name,
            dtype,
            shape,
            x=source,
            weight=self.const(f"{name}_weight", dtype, (channels, 1, *kernel)),
            dilations=self.const(f"{name}_dilations", "INT32", (2,), [rate, rate]),
            strides=self.const(f"{name}_strides", "INT32", (2,), [1, 1]),
            groups=self.const(f"{name}_groups", "INT32", (), [channels]),
            pad=self.const(f"{name}_pad", "INT32", (4,), [rate, rate, rate + 1, rate + 1]),
            pad_type=self.const(f"{name}_pad_type", "STRING", (), ["custom"]),
        )

    def save(self, path):
        folder = path / "Data" / "com.apple.CoreML"
        folder.mkdir(parents=True)
        (folder / "model.mlmodel").write_bytes(self.model.SerializeToString())
        (folder / "weights").mkdir()
        (folder / "weights" / "weight.bin").write_bytes(b"".join(self.weights))
        names = {"root": "model.mlmodel", "weights": "weights"}
        entries = {
            key: {"path": f"com.apple.CoreML/{name}", "name": name, "author": "com.apple.CoreML"}
            for key, name in names.items()
        }
        manifest = {"rootModelIdentifier": "root", "itemInfoEntries": entries}
        (path / "Manifest.json").write_text(json.dumps(manifest))
        return path


@pytest.fixture
def mlpackage_path(tmp_path):
    """A float16 depthwise convolution at rate 6, an enlarging by 4 and an argmax."""
    builder = ProgramBuilder()
    builder.conv("aspp__branches__1__0__conv2d", "image", (1, CHANNELS, 16, 16), rate=6)
    shape = (1, CHANNELS, 64, 64)
    builder.add(
        "upsample_bilinear", "upsampled", "FLOAT16", shape, x="aspp__branches__1__0__conv2d"
    )
    axis = builder.const("axis", "INT32", (), [1])
    builder.add("reduce_argmax", "classes", "INT32", (1, 64, 64), x="upsampled", axis=axis)
    return builder.save(tmp_path / "tiny.mlpackage")


@pytest.fixture
def custom_path(tmp_path):
    """A TFLite file with an operator that no interpreter knows."""
    builder = TFLiteBuilder()
    image, result = (builder.tensor(name, (1, 4, 4, CHANNELS)) for name in ("image", "result"))
    builder.add("CUSTOM", [image], [result], custom=b"FancyUpsample")
    return builder.save(tmp_path / "custom.tflite", [image], [result])

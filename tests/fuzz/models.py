"""Mutations of exported files and checkpoints, each by what its format is made of."""

import json
import struct
from pathlib import Path
from typing import Any

import onnx
from ai_edge_litert import schema_py_generated as schema

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.formats.coreml import load_proto_module
from tests.fuzz.dice import Dice
from tests.fuzz.documents import dump_json, encode, mutate_json, mutate_tree
from tests.fuzz.flatbuffer import mutate_tflite, pack
from tests.fuzz.plain import mutate_bytes
from tests.fuzz.protobufs import mutate_message

SPECIFICATION = Path("Data", "com.apple.CoreML", "model.mlmodel")
WEIGHTS = Path("Data", "com.apple.CoreML", "weights", "weight.bin")
_GRAPH_DEPTHS, _BLOCK_DEPTHS = (10, 28), (10, 40, 90)
"""Protobufs end at 100 messages within each other; a nested graph is three of them, a nested block two."""


def change_tflite(path: Path, dice: Dice) -> str:
    """Change a `.tflite` file in place and say how."""
    content, told = mutate_tflite(path.read_bytes(), dice)
    path.write_bytes(content)
    return told


def change_bytes(path: Path, dice: Dice) -> str:
    """Change the bytes of a file in place, whatever it is, and say how."""
    content, told = mutate_bytes(path.read_bytes(), dice)
    path.write_bytes(content)
    return told


def change_onnx(path: Path, dice: Dice) -> str:
    """Change an `.onnx` file in place and say how."""
    if dice.random() < 0.15:
        content, told = mutate_bytes(path.read_bytes(), dice)
    else:
        model = onnx.load(str(path), load_external_data=False)
        special = dice.random()
        told = store_outside(model, dice) if special < 0.05 else ""
        told += nest_graph(model, dice) if 0.05 <= special < 0.07 else ""
        content, changed = mutate_message(model, dice) if not told else (b"", "")
        content = content or model.SerializePartialToString(deterministic=True)
        told += changed
    path.write_bytes(content)
    return told


def store_outside(model: Any, dice: Dice) -> str:
    """Let a weight of an ONNX model stand in another file, in place."""
    tensor = dice.choice(list(model.graph.initializer))
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    location = dice.choice(
        (dice.outside, f"../{Path(dice.outside).name}", "absent.bin", dice.text())
    )
    entries = {"location": location, "offset": dice.integer(), "length": dice.integer()}
    for key, value in entries.items():
        text = str(value).encode(errors="ignore").decode()
        tensor.external_data.add(key=key, value=text)
    return f"{tensor.name} stands in {location!r:.60}"


def nest_graph(model: Any, dice: Dice) -> str:
    """Put graphs into an attribute of a node of a graph, and so on, in place."""
    depth = dice.choice(_GRAPH_DEPTHS)
    inner = onnx.GraphProto(name="deepest")
    for _ in range(depth):
        outer = onnx.GraphProto(name="deep")
        node = outer.node.add(op_type="If", output=["x"], input=["c"])
        attribute = node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH)
        attribute.g.CopyFrom(inner)
        inner = outer
    model.graph.node.extend(inner.node)
    return f"graphs nested {depth} deep"


def change_mlpackage(path: Path, dice: Dice) -> str:
    """Change an `.mlpackage` folder in place and say how."""
    kind = dice.random()
    if kind < 0.12:
        return _rewrite(path / "Manifest.json", mutate_json, dice)
    if kind < 0.22:
        return _rewrite(path / WEIGHTS, mutate_bytes, dice)
    if kind < 0.30:
        return _rewrite(path / SPECIFICATION, mutate_bytes, dice)
    model = load_proto_module("Model_pb2").Model()
    model.ParseFromString((path / SPECIFICATION).read_bytes())
    if kind < 0.32:
        told = nest_blocks(model, dice)
        content = model.SerializeToString(deterministic=True)
    else:
        content, told = mutate_message(model, dice)
    (path / SPECIFICATION).write_bytes(content)
    return told


def nest_blocks(model: Any, dice: Dice) -> str:
    """Put blocks into an operation of a block, and so on, in place."""
    depth = dice.choice(_BLOCK_DEPTHS)
    (function,) = model.mlProgram.functions.values()
    block = function.block_specializations[function.opset]
    for _ in range(depth):
        block = block.operations.add(type="cond").blocks.add()
    return f"blocks nested {depth} deep"


def _rewrite(path: Path, mutate: Any, dice: Dice) -> str:
    content, told = mutate(path.read_bytes(), dice)
    path.write_bytes(content)
    return f"{path.name}: {told}"


def change_checkpoint(path: Path, dice: Dice) -> str:
    """Change a `.safetensors` file in place and say how: its header, its own document in there, or its numbers."""
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    header, tensors = json.loads(content[8 : 8 + size]), content[8 + size :]
    kind, told = dice.random(), ""
    if kind < 0.1:
        head, told = mutate_bytes(content[: 8 + size], dice)
        path.write_bytes(head + tensors)
        return told
    if kind < 0.2:
        tensors, told = mutate_bytes(tensors, dice)
    elif kind < 0.25:
        place = dice.randrange(len(tensors) // 2)
        filling = dice.choice(
            (b"\xff\x7f", b"\x00\x7c", b"\x00\x00")
        )  # nan, inf, 0 in half precision
        tensors = tensors[:place] + filling * ((len(tensors) - place) // 2)
        told = f"numbers from byte {place} become {filling.hex()}"
    elif kind < 0.5:
        header, told = mutate_tree(header, dice)
    else:
        document = json.loads(header["__metadata__"][METADATA_KEY])
        document, told = mutate_tree(document, dice)
        header["__metadata__"][METADATA_KEY] = dump_json(document)
    text = encode(dump_json(header))
    length = dice.integer() & (2**64 - 1) if dice.random() < 0.03 else len(text)
    path.write_bytes(struct.pack("<Q", length) + text + tensors)
    return told


def change_description(path: Path, dice: Dice) -> str:
    """Change what an exported file says of itself, in place, and say how."""
    write = {".tflite": _redescribe_tflite, ".onnx": _redescribe_onnx}
    return write.get(path.suffix, _redescribe_mlpackage)(path, dice)


def _redescribe_tflite(path: Path, dice: Dice) -> str:
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (entry,) = (e for e in model.metadata if e.name == METADATA_KEY.encode())
    text, told = mutate_json(bytes(bytearray(model.buffers[entry.buffer].data)), dice)
    model.buffers[entry.buffer].data = list(text)
    path.write_bytes(pack(model))
    return told


def _redescribe_onnx(path: Path, dice: Dice) -> str:
    model = onnx.load(str(path))
    (entry,) = (e for e in model.metadata_props if e.key == METADATA_KEY)
    text, told = mutate_json(entry.value.encode(), dice)
    entry.value = text.decode(errors="replace")
    path.write_bytes(model.SerializeToString(deterministic=True))
    return told


def _redescribe_mlpackage(path: Path, dice: Dice) -> str:
    model = load_proto_module("Model_pb2").Model()
    model.ParseFromString((path / SPECIFICATION).read_bytes())
    entries = model.description.metadata.userDefined
    text, told = mutate_json(entries[METADATA_KEY].encode(), dice)
    entries[METADATA_KEY] = text.decode(errors="replace")
    (path / SPECIFICATION).write_bytes(model.SerializeToString(deterministic=True))
    return told

"""Where the class map is taken: milliseconds, changed pixels and mIoU of each form, TFLite and ONNX, fp32 and int8.

    python benchmarks/argmax_placement.py --data camvid --folder exports/argmax

exact: argmax of the full-size logits, in int8 of their integers; floats (int8 alone): of the same logits dequantized
first; fast: at half the height, rows written twice. Files that the folder holds already are taken as they are.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

import edge_deeplab as ed
from edge_deeplab.data.dataset import SegmentationDataset, open_dataset
from edge_deeplab.data.rendered_set import RenderedDataset
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.evaluation.latency import Latency
from edge_deeplab.targets import TARGETS

FORMS = {"fp32": ("exact", "fast"), "int8": ("exact", "floats", "fast")}


def main() -> None:
    """Print one row a form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a dataset.toml folder; default: rendered scenes")
    parser.add_argument("--images", type=int, help="how many of its test split; default: all")
    parser.add_argument("--folder", type=Path, default=Path("exports/argmax"))
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    dataset = RenderedDataset() if arguments.data is None else open_dataset(arguments.data, "test")
    images = min(arguments.images or len(dataset), len(dataset))
    for target in ("tflite", "onnx"):
        for precision, forms in FORMS.items():
            paths = [file_of(arguments.folder, target, precision, form) for form in forms]
            latencies = measure_latency(
                [ed.open_artifact(path, threads=1) for path in paths],
                rounds=arguments.rounds,
                threads=1,
            )
            changed, mious = compare(paths, dataset, images)
            for row in zip(forms, latencies, changed, mious, strict=True):
                print_row(target, precision, *row, mious[0])


def file_of(folder: Path, target: str, precision: str, form: str) -> Path:
    """Return the file of a form, made where the folder has none."""
    found = list((folder / form).glob(f"*-{precision}{TARGETS[target].ending}"))
    if found:
        return found[0]
    if form == "floats":
        exact = file_of(folder, target, precision, "exact")
        path = folder / form / exact.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_DEQUANTIZED_FIRST[target](exact.read_bytes()))
        return path
    return ed.export(None, target, precision=precision, head=form, output=folder / form)[0].path


def compare(
    paths: list[Path], dataset: SegmentationDataset, images: int
) -> tuple[list[float], list[float]]:
    """Return, by file, the share of pixels at which it differs from the first, and its mIoU."""
    contestants = [Contestant(ed.open_artifact(path, threads=1), dataset) for path in paths]
    tallies = [Tally(dataset) for _ in paths]
    changed = np.zeros(len(paths))
    for index in range(images):
        sample = dataset[index]
        ids = [contestant.predict(sample.image_hwc) for contestant in contestants]
        for tally, (predicted, latency_ms) in zip(tallies, ids, strict=True):
            tally.add(sample, predicted, latency_ms)
        changed += [np.mean(predicted != ids[0][0]) for predicted, _ in ids]
    pairs = zip(tallies, contestants, strict=True)
    return list(changed / images), [tally.evaluation(each).miou for tally, each in pairs]


def print_row(
    target: str,
    precision: str,
    form: str,
    latency: Latency,
    changed: float,
    miou: float,
    exact_miou: float,
) -> None:
    """Print what was measured of a form."""
    sys.stdout.write(
        f"{target:7}{precision:6}{form:8}{latency.median_ms:8.2f} ms  {latency.ratio_to_first:5.3f} of exact"
        f"{100 * changed:9.4f} % changed{miou:8.2f} mIoU{miou - exact_miou:+7.3f}\n"
    )
    sys.stdout.flush()


def _dequantize_tflite(content: bytes) -> bytes:
    """Put a DEQUANTIZE between the logits and ARG_MAX."""
    import flatbuffers

    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    (place,) = [i for i, o in enumerate(graph.operators) if _code(model, o) == "ARG_MAX"]
    argmax = graph.operators[place]
    integers = graph.tensors[argmax.inputs[0]]
    floats = schema.TensorT()
    floats.name, floats.shape, floats.hasRank = integers.name + b"_float", integers.shape, True
    floats.type, floats.buffer = schema.TensorType.FLOAT32, 0
    graph.tensors.append(floats)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = np.array([argmax.inputs[0]], np.int32)
    operator.outputs = np.array([len(graph.tensors) - 1], np.int32)
    argmax.inputs = np.array([len(graph.tensors) - 1, argmax.inputs[1]], np.int32)
    graph.operators.insert(place, operator)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    return str(names[code])


def _dequantize_onnx(content: bytes) -> bytes:
    """Cast the integers instead of dequantizing them: the same order, which ONNX Runtime does not drop."""
    model = onnx.load_from_string(content)
    (argmax,) = [node for node in model.graph.node if node.op_type == "ArgMax"]
    (last,) = [node for node in model.graph.node if argmax.input[0] in node.output]
    cast = onnx.helper.make_node(
        "Cast", [last.input[0]], list(last.output), name=last.name, to=onnx.TensorProto.FLOAT
    )
    last.CopyFrom(cast)
    return bytes(model.SerializeToString())


_DEQUANTIZED_FIRST: dict[str, Callable[[bytes], bytes]] = {
    "tflite": _dequantize_tflite,
    "onnx": _dequantize_onnx,
}

if __name__ == "__main__":
    main()

"""The valid files that mutants are made of: tiny, of seeded weights, one of everything that commands read.

They are written once into a folder and found there again; what they hold depends on the installed converters alone.
"""

import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from edge_deeplab.compress.steps import Step, run_step
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.several_sizes import NO_SIZE, ONE_PROGRAM, UNITED
from edge_deeplab.demo.replay import replay_photographs
from edge_deeplab.description import METADATA_KEY, ClassInfo, Description, Head, Normalisation
from edge_deeplab.files import replace_when_complete
from edge_deeplab.formats.coreai_asset import METADATA
from edge_deeplab.formats.coreml import load_proto_module
from edge_deeplab.formats.manifest import content_sha256, write_manifest
from edge_deeplab.formats.replay import StageTimes, write_replay
from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.shipped import shipped_checkpoints
from edge_deeplab.progress import SILENT
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.targets import TARGETS, TargetName
from tests.fuzz.documents import dump_toml
from tests.fuzz.flatbuffer import pack
from tests.fuzz.models import SPECIFICATION
from tests.quantization.conftest import SmallDeepLab

SIZE_HW = (32, 48)
CLASSES = tuple(
    ClassInfo(f"class {number}", (number, 2 * number, 255 - number)) for number in range(5)
)
NORMALISATION = Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
EXPORTED = ("small-int8", "small-logits", "foreign")
"""Exported files by their names without endings, each in every format."""
SEVERAL, SIZES_HW = "small-several", (SIZE_HW, (48, 32))
"""A file of several sizes, in the formats that have such files, and its sizes."""
PEERS = (
    "deeplabv3_mnv2_pascal_quant.tflite",
    "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite",
)
"""Other people's files, which lie beside the repository or nowhere."""
_REPOSITORY = Path(__file__).resolve().parents[2]
_PICTURES = {"train": ("0.png", "1.jpg"), "test": ("0.png", "1.jpg", "2.tif")}
_MODEL = "deeplabv3plus_mobilenetv2_100"


def build_bases(folder: Path) -> Path:
    """Write the valid files, unless they are there, and return their folder."""
    if not folder.exists():
        with replace_when_complete(folder) as temporary:
            temporary.mkdir()
            _write_checkpoints(temporary)
            _write_exported(temporary)
            _write_foreign(temporary)
            _write_data(temporary / "data")
            _write_replay(temporary)
            _write_recipes(temporary)
            _write_records(temporary)
            _copy_peers(temporary)
    return folder


def describe(target: str, precision: str, sha256: str, head: Head = "classes") -> Description:
    """Return what an exported file says of itself."""
    return Description(
        model=_MODEL,
        checkpoint="reference",
        checkpoint_sha256=sha256,
        target=target,
        precision=precision,
        head=head,
        size_hw=SIZE_HW,
        classes=CLASSES,
        ignore_index=255,
        normalisation=NORMALISATION,
        licence="CC0",
        provenance={"seed": 0, "packages": {"torch": "2"}},
    )


def _write_checkpoints(folder: Path) -> None:
    """Write a float checkpoint of random weights, and a pruned and quantized one that is shipped, at a small size."""
    torch.manual_seed(0)
    info = CheckpointInfo(find_spec(_MODEL), CLASSES, 255, NORMALISATION, SIZE_HW)
    save_checkpoint(folder / "reference.safetensors", build_model(_MODEL, 5), info, half=True)
    content = shipped_checkpoints()["camvid-efficientnet-lite0-pruned-int8"].read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    header, tensors = json.loads(content[8 : 8 + size]), content[8 + size :]
    document = json.loads(header["__metadata__"][METADATA_KEY])
    header["__metadata__"][METADATA_KEY] = json.dumps({**document, "size_hw": SIZE_HW})
    text = json.dumps(header).encode()
    (folder / "pruned.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + tensors)


def _write_exported(folder: Path) -> None:
    torch.manual_seed(0)
    model = SmallDeepLab().eval()
    tiles = np.random.default_rng(0).integers(
        0, 256, (4, SIZE_HW[0] // 8, SIZE_HW[1] // 8, 3), np.uint8
    )
    pictures = torch.from_numpy(tiles.repeat(8, axis=1).repeat(8, axis=2))
    images = [(picture.permute(2, 0, 1)[None].float() - 127) / 128 for picture in pictures]
    network = Network(model)
    quantization = calibrate(network, place_quantizers(network), images, NORMALISATION, "min-max")
    graphs = {
        "small-int8": capture(model, NORMALISATION, SIZE_HW, "classes", quantization),
        "small-logits": capture(model, NORMALISATION, SIZE_HW, "logits"),
    }
    for name, graph in graphs.items():
        _write_targets(folder, name, graph)
    for target in UNITED:
        asked = [NO_SIZE] if target in ONE_PROGRAM else []
        sized = {
            size: capture(model, NORMALISATION, size, "classes", quantization, asked)
            for size in SIZES_HW
        }
        _write_several(folder, target, sized)


def _write_several(
    folder: Path, target: TargetName, graphs: Mapping[tuple[int, int], CanonicalGraph]
) -> None:
    """Write a target's file of several sizes."""
    sha256, ending = (
        load_checkpoint(folder / "reference.safetensors").sha256,
        TARGETS[target].ending,
    )
    with TemporaryDirectory() as place:
        parts = []
        for (height, width), graph in graphs.items():
            described = replace(describe(target, "int8", sha256), size_hw=(height, width))
            parts.append(Path(place) / f"{height}x{width}{ending}")
            with quietly():
                write_target(graph, described, parts[-1])
        UNITED[target](parts, folder / f"{SEVERAL}{ending}")


def _write_targets(folder: Path, name: str, graph: CanonicalGraph) -> None:
    sha256 = load_checkpoint(folder / "reference.safetensors").sha256
    precision = "int8" if name == "small-int8" else "fp32"
    for key, target in TARGETS.items():
        description = describe(key, precision, sha256, graph.head)
        with quietly():
            write_target(graph, description, folder / f"{name}{target.ending}")


def _write_foreign(folder: Path) -> None:
    """Write the files with logits again, without what they say of themselves."""
    content = (folder / "small-logits.tflite").read_bytes()
    flat = schema.ModelT.InitFromPackedBuf(content, 0)
    flat.metadata = [entry for entry in flat.metadata if entry.name != METADATA_KEY.encode()]
    (folder / "foreign.tflite").write_bytes(pack(flat))
    model = onnx.load(folder / "small-logits.onnx")
    del model.metadata_props[:]
    onnx.save(model, folder / "foreign.onnx")
    program = (folder / "small-logits.pte").read_bytes()
    (folder / "foreign.pte").write_bytes(program.replace(METADATA_KEY.encode(), b"others_model"))
    shutil.copytree(folder / "small-logits.aimodel", folder / "foreign.aimodel")
    metadata = folder / "foreign.aimodel" / METADATA
    metadata.write_text(metadata.read_text().replace(METADATA_KEY, "others_model"))
    for source in sorted((folder / "small-logits.mlpackage").rglob("*")):
        goal = folder / "foreign.mlpackage" / source.relative_to(folder / "small-logits.mlpackage")
        if source.is_file():
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(source.read_bytes())
    package = load_proto_module("Model_pb2").Model()
    package.ParseFromString((folder / "foreign.mlpackage" / SPECIFICATION).read_bytes())
    package.description.metadata.userDefined.clear()
    (folder / "foreign.mlpackage" / SPECIFICATION).write_bytes(package.SerializeToString())


def _write_data(root: Path) -> None:
    classes = [{"name": each.name, "color": list(each.color)} for each in CLASSES]
    random = np.random.default_rng(0)
    for split, names in _PICTURES.items():
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for name in names:
            image = random.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(image).save(root / split / "images" / name)
            mask = random.integers(0, len(CLASSES), (40, 48), np.uint8)
            Image.fromarray(mask).save(root / split / "masks" / f"{Path(name).stem}.png")
    document = {"name": "Tiny", "licence": "CC0", "ignore_index": 255, "classes": classes}
    (root / "dataset.toml").write_text(dump_toml(document))


def _write_replay(folder: Path) -> None:
    """Replay the data's photographs, as a machine that is always the same and as fast."""
    pictures = sorted((folder / "data" / "test" / "images").iterdir())
    with open_artifact(folder / "small-int8.onnx") as opened:
        done = replay_photographs(opened, pictures, folder / "replayed")
    images = tuple(replace(image, ms=StageTimes(1.5, 0.5)) for image in done.images)
    write_replay(folder / "replayed", replace(done, device="phone", os="its own", images=images))


def _write_recipes(folder: Path) -> None:
    shipped = _REPOSITORY / "recipes"
    for verb, suffix in {"train": "", "qat": "-int8", "prune": "-pruned"}.items():
        recipe = (shipped / f"camvid-efficientnet-lite0{suffix}.toml").read_text()
        (folder / f"{verb}.toml").write_text(recipe)
    data = {"size_hw": SIZE_HW, "crop_hw": [32, 32], "validation_split": "", "splits": ["train"]}
    optimiser = {"epochs": 1, "batch_size": 2}
    compress = {
        "prune": {"data": data, "optimiser": optimiser, "pruning": {"macs": 0.5}},
        "qat": {"data": data, "optimiser": optimiser},
        "export": {"targets": ["onnx"], "precisions": ["fp32", "int8"], "profiles": ["onnx-cpu"]},
        "parity": {"split": "test", "limit": 1, "max_drop": 1.0},
        "bench": {"threads": 1, "rounds": 2},
    }
    (folder / "compress.toml").write_text(dump_toml(compress))
    ids = {"map": {str(number): each.name for number, each in enumerate(CLASSES)}}
    (folder / "class-map.toml").write_text(dump_toml(ids))
    labels = {"from": "ours", "to": "theirs", "map": {each.name: "thing" for each in CLASSES}}
    thing = {"classes": [{"name": "thing", "color": [1, 2, 3]}]}
    (folder / "label-map.toml").write_text(dump_toml({**labels, **thing}))


def _write_records(folder: Path) -> None:
    """Write what commands note down and read again: manifests, reports, finished steps, times, a Mac's answer."""
    exports = folder / "exports"
    exports.mkdir()
    (exports / "small.onnx").write_bytes((folder / "small-logits.onnx").read_bytes())
    write_manifest(exports, [{"file": "small.onnx", "target": "onnx", "size_hw": list(SIZE_HW)}])
    paths = ("exports/a.onnx", "exports/b.onnx")
    files = [{"path": path, "miou": 1.0} for path in paths]
    stages = [{"checkpoint": "checkpoints/a.safetensors", "training": {"epochs": 1}}]
    (folder / "report.json").write_text(json.dumps({"files": files, "stages": stages}))
    layer = {"kind": "conv", "stride": 1, "rate": 1, "inputs": [1, 2], "outputs": [3, 4]}
    sides = {key: [3, 3] for key in ("kernel_hw", "input_hw", "output_hw")}
    layers = [{**layer, **sides, "ms": [[0.1, 0.2], [0.3, 0.4]]}]
    named = {"target": "tflite", "runtime": "x 1", "checkpoint_sha256": "0", "layers": layers}
    (folder / "latency.json").write_text(json.dumps({**named, "whole_ms": 1.0, "rest_ms": 0.5}))
    answer = json.loads((_REPOSITORY / "tests/checker/mac_result.json").read_text())
    answer["package"]["sha256"] = content_sha256(folder / "small-int8.mlpackage")
    (folder / "mac-result.json").write_text(json.dumps(answer))
    run_step(finished_step(), folder / "steps", SILENT)


def _copy_peers(folder: Path) -> None:
    """Take other people's files along where they are at hand, under the names that `kinds` knows."""
    for name in PEERS:
        source = _REPOSITORY.parent / "shared" / "peers" / name
        if source.is_file():
            (folder / name).write_bytes(source.read_bytes())


def finished_step() -> Step:
    """Return a step of a chain that is done in no time."""

    def make(folder: Path, resume: bool) -> list[Path]:
        (folder / "made.txt").write_text("made")
        return [folder / "made.txt"]

    return Step("tiny", {}, {}, (), make)

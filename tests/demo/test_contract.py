"""`edge-deeplab demo --contract`: JSON, code and golden frames that say the same; code is held to the frames."""

import hashlib
import importlib.util
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.demo import demo
from edge_deeplab.demo.contract_folder import write_contract
from edge_deeplab.demo.golden import spread
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ArtifactError, DataError, OutputError
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.inputs import AffineQuantization, ImageTensor
from tests.conftest import MakeDataset
from tests.demo.conftest import BrightestChannel, describe
from tests.evaluation.conftest import SpelledDataset

NAMES = ('plain "quoted" \\ name', "cost: $name ${HEIGHT}", "straße")
HEIGHT, WIDTH = 32, 48
NHWC, NCHW = (1, HEIGHT, WIDTH, 3), (1, 3, HEIGHT, WIDTH)
FORMS = {
    "ids": (NHWC, "uint8", None, (1, HEIGHT, WIDTH), "int32"),
    "half ids": (NHWC, "uint8", None, (1, HEIGHT // 2, WIDTH // 2), "int64"),
    "planes to scores": (NCHW, "float32", None, (1, 3, HEIGHT, WIDTH), "float32"),
    "small scores": (NCHW, "float32", None, (1, 3, HEIGHT // 4, WIDTH // 4), "float32"),
    "integers": (
        *(NHWC, "int8", AffineQuantization(2.0, -5)),
        *((1, HEIGHT // 4, WIDTH // 4, 3), "int8"),
    ),
    "third": (NHWC, "int8", AffineQuantization(1 / 3, -100), (1, HEIGHT, WIDTH, 3), "int8"),
}
"""By what they are called: shape, type and quantization of the input, shape and type of the output."""

HARNESS = """
import { readFileSync, writeFileSync } from "node:fs";
const contract = await import("./contract.js");
const arrays = { int8: Int8Array, int32: Int32Array, int64: BigInt64Array, float32: Float32Array };
const bytes = (name) => { const b = readFileSync(name); return b.buffer.slice(b.byteOffset, b.byteOffset + b.length); };
const job = JSON.parse(readFileSync("job.json"));
for (const name of job.names) {
  writeFileSync(`${name}.tensor`, contract.prepare(new Uint8Array(bytes(`${name}.rgba`))));
  const ids = contract.classMap(new arrays[contract.OUTPUT.type](bytes(`${name}.output`)));
  writeFileSync(`${name}.ids`, ids);
  writeFileSync(`${name}.colour`, contract.colour(ids));
}
const crops = job.frames.map(([width, height]) => contract.crop(width, height));
const { MODEL_SHA256, INPUT, OUTPUT, CLASSES, PALETTE } = contract;
console.log(JSON.stringify({ crops, MODEL_SHA256, INPUT, OUTPUT, CLASSES, PALETTE }));
"""


class FormEngine:
    """An engine of any form, whose output is noise that depends on the input tensor."""

    name = "noise 1"

    def __init__(self, form: tuple[Any, ...]) -> None:
        shape, dtype, quantization, self._shape, self._type = form
        self.image = ImageTensor("image", shape, np.dtype(dtype), quantization)
        classes = tuple(ClassInfo(n, (i, 200 - i, 90)) for i, n in enumerate(NAMES))
        self.description_text = replace(describe(), classes=classes).to_json()

    def run(self, tensor: np.ndarray) -> np.ndarray:
        assert (tensor.shape, tensor.dtype) == (self.image.shape, self.image.dtype)
        noise = np.random.default_rng(int(np.abs(tensor.astype(np.int64)).sum()))
        if self._type in ("int32", "int64"):
            return noise.integers(0, len(NAMES), self._shape).astype(self._type)
        return noise.normal(0, 40, self._shape).astype(self._type)


@pytest.fixture
def dataset() -> SpelledDataset:
    """Nine pictures of noise, larger than the model takes them."""
    noise = np.random.default_rng(0)
    return SpelledDataset([noise.integers(0, 256, (50, 70), np.uint8) for _ in range(9)])


@pytest.fixture
def make(tmp_path: Path, dataset: SpelledDataset) -> Any:
    """Return what writes the contract of a form, and the folder and the runtime."""

    def make(form: str) -> tuple[Path, ArtifactRuntime]:
        model = tmp_path / "model.tflite"
        model.write_bytes(form.encode())
        runtime = ArtifactRuntime(model, FormEngine(FORMS[form]), None)  # type: ignore[arg-type]
        write_contract(runtime, dataset, tmp_path / "contract")
        return tmp_path / "contract", runtime

    return make


def golden_of(folder: Path) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = json.loads((folder / "golden" / "golden.json").read_text())[
        "frames"
    ]
    return frames


def picture(folder: Path, entry: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(folder / "golden" / entry["file"]))


def sha256(content: bytes | np.ndarray) -> str:
    data = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return hashlib.sha256(data).hexdigest()


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated_contract", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", FORMS)
def test_golden_frames_have_the_hashes_of_their_files_and_bytes(make: Any, form: str) -> None:
    folder, runtime = make(form)
    frames = golden_of(folder)
    assert [frame["name"] for frame in frames] == [f"image-{i * 9 // 8}" for i in range(8)]
    for frame in frames:
        seen, given = picture(folder, frame["input"]), picture(folder, frame["class_map"])
        for entry in (frame["input"], frame["class_map"]):
            assert entry["sha256"] == sha256((folder / "golden" / entry["file"]).read_bytes())
        assert (seen.shape, given.shape) == ((HEIGHT, WIDTH, 3), (HEIGHT, WIDTH))
        assert frame["input"]["pixels_sha256"] == sha256(seen)
        assert frame["input"]["tensor_sha256"] == sha256(runtime.encode(seen))
        assert frame["class_map"]["ids_sha256"] == sha256(given)
        assert frame["output_sha256"] == sha256(runtime.execute(seen))
        assert np.array_equal(given, runtime.predict(seen[None])[0])


@pytest.mark.parametrize("form", FORMS)
def test_python_gives_the_golden_frames(make: Any, form: str) -> None:
    folder, runtime = make(form)
    code = load(folder / "contract.py")
    for frame in golden_of(folder):
        seen, given = picture(folder, frame["input"]), picture(folder, frame["class_map"])
        assert sha256(code.prepare(seen)) == frame["input"]["tensor_sha256"]
        assert np.array_equal(code.class_map(runtime.execute(seen)), given)
    assert tuple(code.CLASSES) == NAMES
    assert np.array_equal(code.colour(np.array([[1, 3]])), [[[1, 199, 90], [0, 0, 0]]])


@pytest.mark.parametrize("form", FORMS)
def test_javascript_gives_the_golden_frames(make: Any, form: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is absent: contract.js cannot be run")
    folder, runtime = make(form)
    frames, sizes = golden_of(folder), [(1280, 720), (720, 1280), (48, 32), (47, 33), (1, 1)]
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "harness.js").write_text(HARNESS)
    names = [frame["name"] for frame in frames]
    (folder / "job.json").write_text(json.dumps({"names": names, "frames": sizes}))
    for frame in frames:
        seen = picture(folder, frame["input"])
        rgba = np.concatenate([seen, np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=-1)
        (folder / f"{frame['name']}.rgba").write_bytes(rgba.tobytes())
        (folder / f"{frame['name']}.output").write_bytes(runtime.execute(seen).tobytes())
    done = subprocess.run(
        [node, "harness.js"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    code, contract = (
        load(folder / "contract.py"),
        json.loads((folder / "contract.json").read_text()),
    )
    for frame in frames:
        made = {key: (folder / f"{frame['name']}.{key}").read_bytes() for key in ("tensor", "ids")}
        assert sha256(made["tensor"]) == frame["input"]["tensor_sha256"]
        assert sha256(made["ids"]) == frame["class_map"]["ids_sha256"]
        painted = np.frombuffer((folder / f"{frame['name']}.colour").read_bytes(), np.uint8)
        expected = code.colour(picture(folder, frame["class_map"]))
        assert np.array_equal(painted.reshape(HEIGHT, WIDTH, 4)[..., :3], expected)
    told = json.loads(done.stdout)
    assert [tuple(crop.values()) for crop in told["crops"]] == [code.crop(*size) for size in sizes]
    assert told["CLASSES"] == [each["name"] for each in contract["classes"]] == [*NAMES]
    assert told["PALETTE"] == [each["color"] for each in contract["classes"]]
    assert told["MODEL_SHA256"] == contract["model_sha256"] == sha256(form.encode())
    assert told["OUTPUT"]["shape"] == contract["output"]["shape"]
    assert told["INPUT"]["type"] == contract["input"]["type"]
    assert told["INPUT"].get("scale") == contract["input"]["scale"]


@pytest.mark.parametrize("form", FORMS)
def test_every_language_has_the_names_as_literals_and_no_word_of_a_template(
    make: Any, form: str
) -> None:
    folder, _ = make(form)
    kotlin, swift = ((folder / f"Contract.{end}").read_text() for end in ("kt", "swift"))
    assert r'"plain \"quoted\" \\ name"' in kotlin
    assert r'"plain \"quoted\" \\ name"' in swift
    assert r'"cost: \$name \${HEIGHT}"' in kotlin
    assert '"cost: $name ${HEIGHT}"' in swift
    for name in ("contract.js", "Contract.kt", "Contract.swift", "contract.py"):
        text = (folder / name).read_text().replace(r"\$name", "").replace("$name", "")
        assert "$class_map" not in text
        assert " None" not in text.replace("[:, None]", "")
        assert max(map(len, text.splitlines())) <= 140
    assert "0xff00c85a.toInt()," in kotlin
    assert "[0, 200, 90]," in swift


@pytest.mark.parametrize(
    ("form", "host"),
    [
        ("ids", {"quantize": False, "argmax": False, "enlarge": False}),
        ("half ids", {"quantize": False, "argmax": False, "enlarge": True}),
        ("integers", {"quantize": True, "argmax": True, "enlarge": True}),
    ],
)
def test_json_says_what_is_left_for_the_app(make: Any, form: str, host: dict[str, bool]) -> None:
    folder, _ = make(form)
    document = json.loads((folder / "contract.json").read_text())
    assert document["format"] == "edge-deeplab-contract/1"
    assert host.items() < document["host"].items()
    assert document["host"]["normalise"] is False
    assert document["size_hw"] == [HEIGHT, WIDTH]


def test_contract_replaces_an_earlier_one_and_nothing_else(
    make: Any, dataset: SpelledDataset
) -> None:
    folder, runtime = make("ids")
    write_contract(runtime, dataset, folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds something else \(notes\.txt\)"):
        write_contract(runtime, dataset, folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_contract_of_what_no_app_runs_or_says_nothing_is_refused(
    tmp_path: Path, dataset: SpelledDataset
) -> None:
    with pytest.raises(ArtifactError, match="is a checkpoint, which no app runs"):
        write_contract(BrightestChannel(), dataset, tmp_path / "contract")
    silent = BrightestChannel(describes_itself=False)
    with pytest.raises(ArtifactError, match="carries no self-description"):
        write_contract(silent, dataset, tmp_path / "contract")
    engine = FormEngine((NHWC, "float16", None, (1, HEIGHT, WIDTH), "int32"))
    (tmp_path / "model.tflite").write_bytes(b"model")
    runtime = ArtifactRuntime(tmp_path / "model.tflite", engine, None)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="takes float16, which a contract has no code for"):
        write_contract(runtime, dataset, tmp_path / "contract")
    assert not (tmp_path / "contract").exists()


def test_scores_of_a_type_that_languages_read_differently_are_refused(
    tmp_path: Path, dataset: SpelledDataset
) -> None:
    engine = FormEngine((NHWC, "uint8", None, (1, HEIGHT, WIDTH, 3), "uint8"))
    (tmp_path / "model.tflite").write_bytes(b"model")
    runtime = ArtifactRuntime(tmp_path / "model.tflite", engine, None)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="gives scores of uint8"):
        write_contract(runtime, dataset, tmp_path / "contract")


def test_frames_are_spread_over_the_photographs() -> None:
    assert spread(233) == [0, 29, 58, 87, 116, 145, 174, 203]
    assert spread(3) == [0, 1, 2]
    with pytest.raises(DataError, match="no photographs came"):
        spread(0)


def test_command_writes_the_contract_of_an_exported_file(
    artifacts: dict[str, Path], make_dataset: MakeDataset, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(demo)
    data = make_dataset("test", count=2)
    for target, file in artifacts.items():
        folder = tmp_path / target
        asked = [str(file), "--contract", str(folder), "--data", str(data), "--json"]
        result = CliRunner().invoke(app, asked)
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        written = json.loads((folder / "contract.json").read_text())
        assert document == {"path": str(folder), **written}
        assert (written["target"], written["input"]["type"]) == (target, "uint8")
        code = load(folder / "contract.py")
        frame = golden_of(folder)[1]
        seen = picture(folder, frame["input"])
        assert np.array_equal(
            code.class_map(seen.argmax(axis=-1)), picture(folder, frame["class_map"])
        )

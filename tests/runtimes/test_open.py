"""Opening files: the choice by ending, damaged files, and what must stay unimported."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from edge_deeplab import api
from edge_deeplab.errors import (
    ArtifactError,
    ChildError,
    ConfigError,
    DataError,
    MissingDependencyError,
)
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.targets import RuntimeName
from tests.runtimes.conftest import Sample


def test_open_artifact_with_unknown_ending_lists_the_endings(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.touch()
    with pytest.raises(
        ArtifactError,
        match=r"'\.pth'; one of \.mlpackage, \.tflite, \.onnx, \.pte, \.aimodel, \.safetensors",
    ):
        open_artifact(path)


@pytest.mark.parametrize("ending", [".onnx", ".tflite", ".mlpackage", ".safetensors"])
def test_open_artifact_of_absent_file_says_so(tmp_path: Path, ending: str) -> None:
    with pytest.raises(ArtifactError, match="does not exist"):
        open_artifact(tmp_path / f"absent{ending}")


def test_opened_file_is_closed_by_with(export_tiny: Callable[..., Path]) -> None:
    with api.open_artifact(export_tiny("onnx")) as runtime:
        assert runtime.time_once() > 0
    with pytest.raises(ChildError, match=r"it was closed; .*open it again"):
        runtime.time_once()
    runtime.close()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_open_artifact_of_truncated_file_raises_one_sentence(
    export_tiny: Callable[..., Path], tmp_path: Path, target: str, kept: float
) -> None:
    whole = export_tiny(target)
    content = whole.read_bytes()
    path = tmp_path / whole.name
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ArtifactError, match="copy or export it again") as raised:
        open_artifact(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "part", ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "weights/weight.bin"]
)
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_open_artifact_of_truncated_package_raises_one_sentence(
    export_tiny: Callable[..., Path], tmp_path: Path, part: str, kept: float
) -> None:
    path = tmp_path / "cut.mlpackage"
    shutil.copytree(export_tiny("coreml"), path)
    (damaged,) = path.rglob(Path(part).name)
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ArtifactError, match="export or download it again") as raised:
        open_artifact(path)
    assert "\n" not in str(raised.value)


def test_open_artifact_of_text_named_onnx_raises(tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    path.write_text("<html>not found</html>")
    with pytest.raises(ArtifactError, match=r"complete \.onnx file was expected"):
        open_artifact(path)


def test_opening_onnx_and_tflite_imports_no_torch(export_tiny: Callable[..., Path]) -> None:
    program = (
        "import sys, numpy; from pathlib import Path; from edge_deeplab.runtimes import open_artifact\n"
        "for path in sys.argv[1:]:\n"
        "    runtime = open_artifact(Path(path), threads=1)\n"
        "    ids = runtime.predict(numpy.zeros((1, *runtime.size_hw, 3), numpy.uint8))\n"
        "    print(ids.shape, runtime.description.model)\n"
        "heavy = {'torch', 'coremltools', 'onnx', 'timm'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    files = [str(export_tiny("onnx")), str(export_tiny("tflite"))]
    run = subprocess.run(
        [sys.executable, "-c", program, *files], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["(1, 32, 48) tiny", "(1, 32, 48) tiny"]


@pytest.mark.parametrize(
    ("target", "hidden", "extra"),
    [
        ("onnx", ["onnxruntime"], "onnx"),
        ("tflite", ["ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime"], "tflite"),
    ],
)
def test_missing_runtime_names_the_extra(
    export_tiny: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    target: str,
    hidden: list[str],
    extra: str,
) -> None:
    path = export_tiny(target)
    hide_from_children(hidden, tmp_path, monkeypatch)
    with pytest.raises(MissingDependencyError, match=rf"edge-deeplab\[{extra}\]"):
        open_artifact(path)


def hide_from_children(modules: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make modules look absent in every process that is started."""
    refusing = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    (folder / "sitecustomize.py").write_text(refusing)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_child_of_a_file_imports_only_what_runs_it(
    export_tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str
) -> None:
    absent = ["torch", "coremltools", "onnx", "timm", "typer", "rich", "PIL", "pydantic"]
    hide_from_children(absent, tmp_path, monkeypatch)
    path = export_tiny(target)
    runtime = open_artifact(path, threads=1)
    images = np.zeros((1, *runtime.size_hw, 3), np.uint8)
    assert runtime.predict(images).shape == images.shape[:3]


def test_core_ml_itself_on_another_system_says_what_runs_the_file_here(tmp_path: Path) -> None:
    from edge_deeplab.runtimes.coreml import CoreMLEngine, core_ml_runs_here

    if core_ml_runs_here():
        pytest.skip("not on a Mac: Core ML is here")
    with pytest.raises(ArtifactError, match="MIL reference evaluator"):
        CoreMLEngine(tmp_path / "model.mlpackage")


@pytest.mark.parametrize(
    ("target", "runtime", "name"),
    [
        ("onnx", "onnxruntime", "onnxruntime"),
        ("tflite", "interpreter", "ai-edge-litert"),
        ("tflite", "interpreter-builtin", "without XNNPACK"),
        ("tflite", "compiled-model", "CompiledModel"),
        ("coreml", "mil-reference", "mil-reference"),
    ],
)
def test_open_artifact_with_a_runtime_runs_the_file_in_it(
    export_tiny: Callable[..., Path], sample: Sample, target: str, runtime: RuntimeName, name: str
) -> None:
    path = export_tiny(target, "fp32", "logits")
    opened = open_artifact(path, threads=1, runtime=runtime)
    assert name in opened.name
    np.testing.assert_allclose(opened.logits(sample.images), sample.logits, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "runtime", "sentence"),
    [
        ("a.onnx", "compiled-model", r"runs \.tflite files; .*take one of onnxruntime, or leave"),
        ("a.tflite", "core-ml", "interpreter, interpreter-builtin, compiled-model, or leave it"),
        ("a.safetensors", "onnxruntime", "a runtime of its own format was expected; leave it out"),
    ],
)
def test_open_artifact_with_another_formats_runtime_is_one_sentence(
    file: str, runtime: RuntimeName, sentence: str
) -> None:
    with pytest.raises(ArtifactError, match=rf"{file} was to be run by {runtime}.*{sentence}"):
        open_artifact(Path(file), runtime=runtime)


def test_open_artifact_with_an_unknown_runtime_names_the_closest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'compiled-model'"):
        open_artifact(tmp_path / "a.tflite", runtime="compiledmodel")  # type: ignore[arg-type]


def test_the_faces_open_artifact_maps_pictures_of_the_files_size_to_class_maps(
    export_tiny: Callable[..., Path],
) -> None:
    runtime = api.open_artifact(str(export_tiny("onnx")), threads=1)
    height, width = runtime.size_hw
    ids = runtime.predict(np.zeros((2, height, width, 3), np.uint8))
    assert ids.shape == (2, height, width)
    assert ids.dtype == np.uint8
    with pytest.raises(DataError, match=rf"\(N, {height}, {width}, 3\) uint8 was expected; resize"):
        runtime.predict(np.zeros((1, height * 2, width, 3), np.uint8))


def test_file_of_a_picture_that_is_larger_than_any_is_refused() -> None:
    image = SimpleNamespace(size_hw=(3_145_728, 48))
    engine = SimpleNamespace(name="toy", image=image, description_text=None)
    with pytest.raises(
        ArtifactError, match=r"a\.onnx takes pictures of 3145728x48; at most 64000000"
    ):
        ArtifactRuntime(Path("a.onnx"), cast(Any, engine), None)


def test_absent_file_without_an_ending_does_not_exist(tmp_path: Path) -> None:
    for reading in (open_artifact, read_graph):
        with pytest.raises(ArtifactError, match="exports does not exist"):
            reading(tmp_path / "exports")

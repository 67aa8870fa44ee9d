"""Files that are close to those that are read: each is named, with what to do."""

from pathlib import Path

import pytest

from edge_deeplab import api
from edge_deeplab.checker.report import UnreadArtifact
from edge_deeplab.errors import ArtifactError, MissingDependencyError
from edge_deeplab.formats.coreml import load_proto_module
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes import open_artifact


def write_mlmodel(path: Path, kind: str) -> Path:
    model = load_proto_module("Model_pb2").Model()
    model.specificationVersion = 4
    feature = model.description.input.add()
    feature.name, feature.type.imageType.width = "image", 8
    if kind == "mlProgram":
        model.mlProgram.version = 1
    elif kind:
        layer = getattr(model, kind).layers.add()
        layer.name = "relu"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("neuralNetwork", "in the old format neuralNetwork, from before iOS 15.*mlprogram"),
        ("neuralNetworkClassifier", "in the old format neuralNetworkClassifier.*mlprogram"),
        ("neuralNetworkRegressor", "in the old format neuralNetworkRegressor.*mlprogram"),
        ("mlProgram", "is an ML program outside of a package.*save it as one"),
        ("", "is a Core ML model without an ML program"),
    ],
)
@pytest.mark.parametrize("opened", [read_graph, open_artifact])
def test_old_core_ml_file_is_named_as_such_with_what_to_do(
    tmp_path: Path, kind: str, told: str, opened: object
) -> None:
    path = write_mlmodel(tmp_path / "old.mlmodel", kind)
    with pytest.raises(ArtifactError, match=f"old.mlmodel.*{told}"):
        opened(path)  # type: ignore[operator]


@pytest.mark.parametrize("content", [b"\xff" * 40, b"\x08", b"text, and no model"])
def test_mlmodel_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mlmodel"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="is a Core ML model without an ML program"):
        read_graph(path)


@pytest.fixture
def compiled(tmp_path: Path, tiny: object) -> Path:
    """A file as the Edge TPU's compiler writes it: one custom operator between picture and class map."""
    builder = tiny.TFLiteBuilder()  # type: ignore[attr-defined]
    image = builder.tensor("image", (1, 16, 16, 3), "UINT8")
    ids = builder.tensor("ids", (1, 16, 16), "UINT8")
    builder.add("CUSTOM", [image], [ids], custom=b"edgetpu-custom-op")
    path: Path = builder.save(tmp_path / "model_edgetpu.tflite", [image], [ids])
    return path


@pytest.mark.parametrize("opened", [read_graph, open_artifact])
def test_edge_tpu_file_is_answered_with_the_uncompiled_one(compiled: Path, opened: object) -> None:
    with pytest.raises(ArtifactError, match=r"compiled for the Edge TPU.*use the uncompiled file"):
        opened(compiled)  # type: ignore[operator]


def test_one_unreadable_file_of_any_kind_leaves_the_others_their_reports(
    tmp_path: Path,
    compiled: Path,
    onnx_path: Path,
    mlpackage_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_without_package(path: Path) -> None:
        raise MissingDependencyError("coremltools", "coreml")

    monkeypatch.setattr("edge_deeplab.formats.coreml.read_coreml", read_without_package)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\xff\xff")
    old = write_mlmodel(tmp_path / "old.mlmodel", "neuralNetwork")
    absent, other = tmp_path / "absent.tflite", tmp_path / "model.h5"
    bad = [compiled, damaged, old, absent, other, mlpackage_path]
    *unread, report = api.check([*bad, onnx_path], observe="none")
    assert [result.path for result in unread] == bad
    assert all(isinstance(result, UnreadArtifact) for result in unread)
    assert "install it with: pip install 'edge-deeplab[coreml]'" in unread[-1].error
    assert report.path == onnx_path
    assert report.profiles
    rows = api.bench([*bad, onnx_path], rounds=1, threads=1).rows
    assert [row.path for row in rows] == [*bad, onnx_path]

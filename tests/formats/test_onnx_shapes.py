"""Values that an ONNX file does not declare are known all the same, as older exporters leave them out."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.errors import ChildError
from edge_deeplab.formats import onnx_shapes
from edge_deeplab.formats.onnx import read_onnx


def save(path: Path, *, declared: bool) -> Path:
    """Write convolution, ReLU, and a resize and reshape whose sizes stand in the file; nothing between is declared."""
    stored = {
        "weight": np.ones((8, 3, 3, 3), np.float32),
        "sizes": np.array([1, 8, 32, 48]),
        "flat": np.array([1, 8, -1]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Resize", ["b", "", "", "sizes"], ["c"], mode="linear"),
        helper.make_node("Reshape", ["c", "flat"], ["scores"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "undeclared",
        [value("image", TensorProto.FLOAT, (1, 3, 16, 24))],
        [value("scores", TensorProto.FLOAT, (1, 8, 32 * 48))],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if declared:
        model = onnx.shape_inference.infer_shapes(model)
    onnx.save(model, path)
    return path


def test_file_that_declares_nothing_is_read_as_one_that_declares_all(tmp_path: Path) -> None:
    bare = read_onnx(save(tmp_path / "bare.onnx", declared=False))
    whole = read_onnx(save(tmp_path / "whole.onnx", declared=True))
    assert bare.operators == whole.operators
    assert [o.outputs[0].shape for o in bare.operators] == [
        (1, 8, 16, 24),
        (1, 8, 16, 24),
        (1, 8, 32, 48),
        (1, 8, 32 * 48),
    ]
    assert bare.notes == ()


def test_file_that_declares_all_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_shapes, "ask_once", lambda *_, **__: pytest.fail("a child was asked"))
    read_onnx(save(tmp_path / "whole.onnx", declared=True))


def test_rules_about_shapes_and_types_see_what_was_not_declared(tmp_path: Path) -> None:
    path = save(tmp_path / "bare.onnx", declared=False)
    (profile,) = check_artifact(path, ["onnx-qnn-v75"]).profiles
    assert profile.verdicts[0].rule == "onnx-qnn.float32"
    assert profile.accelerator_share == 1.0


def test_inference_that_dies_leaves_a_file_that_is_read_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, subject: str, **__: object) -> None:
        raise ChildError(subject, "it crashed")

    monkeypatch.setattr(onnx_shapes, "ask_once", die)
    file = read_onnx(save(tmp_path / "bare.onnx", declared=False))
    assert [operator.type for operator in file.operators] == ["Conv", "Relu", "Resize", "Reshape"]
    assert file.operators[1].outputs[0].shape is None
    assert file.notes == (
        "shapes that the file does not declare could not be inferred: rules about them are not asked",
    )


def test_sizes_that_contradict_each_other_are_no_error(tmp_path: Path) -> None:
    path = save(tmp_path / "bare.onnx", declared=False)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    onnx.save(model, path)
    assert len(read_onnx(path).operators) == 4

"""Core ML packages: what is read is what coremltools reads, nothing outside a package, other forms refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coremltools.proto import Model_pb2

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.read import compare_stored, read_stored
from edge_deeplab.runtimes.mil.reader import read_package
from tests.by_target import ByTarget

Edit = Callable[[Any], None]


@pytest.fixture
def package(tiny_files: ByTarget[Path], tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(tiny_files["coreml"], tmp_path / "copy.mlpackage")


def edited(package: Path, edit: Edit) -> Path:
    (specification,) = package.rglob("*.mlmodel")
    model = Model_pb2.Model()
    model.ParseFromString(specification.read_bytes())
    edit(model)
    specification.write_bytes(model.SerializeToString())
    return package


def operations(model: Any) -> Any:
    (function,) = model.mlProgram.functions.values()
    return function.block_specializations[function.opset].operations


def first(model: Any, kind: str) -> Any:
    return next(operation for operation in operations(model) if operation.type == kind)


def test_weights_are_those_that_coremltools_reads(
    tiny_files: ByTarget[Path], tiny_stored: ByTarget[StoredFile]
) -> None:
    steps = [
        step
        for step in read_package(tiny_files["coreml"]).program.operations
        if step.operator == "constexpr_affine_dequantize"
    ]
    weights = tiny_stored["coreml"].of_kind("weight")
    assert len(steps) == len(weights) > 10
    for step, weight in zip(steps, weights, strict=True):
        assert np.array_equal(weight.values, np.asarray(step.arguments["quantized_data"]))
        assert np.array_equal(weight.parameters.scale, np.asarray(step.arguments["scale"]))


def test_numbers_that_stand_inside_an_operation_are_read_as_constants(
    tiny_files: ByTarget[Path], package: Path
) -> None:
    def move_inside(model: Any) -> None:
        constants = {
            o.outputs[0].name: o.attributes["val"] for o in operations(model) if o.type == "const"
        }
        for operation in operations(model):
            if operation.type in ("quantize", "dequantize", "conv"):
                for key in {"scale", "zero_point", "bias"} & set(operation.inputs):
                    (binding,) = operation.inputs[key].arguments
                    binding.value.CopyFrom(constants[binding.name])

    assert compare_stored([tiny_files["onnx"], edited(package, move_inside)]).differences == ()


def _outside(model: Any) -> None:
    value = first(model, "constexpr_affine_dequantize").attributes["quantized_data"]
    value.blobFileValue.fileName = "@model_path/../../../../secret.bin"


def _elsewhere(model: Any) -> None:
    first(model, "constexpr_affine_dequantize").attributes[
        "quantized_data"
    ].blobFileValue.offset += 1


def _far(model: Any) -> None:
    first(model, "constexpr_affine_dequantize").attributes[
        "quantized_data"
    ].blobFileValue.offset = 2**60


def _palette(model: Any) -> None:
    first(model, "constexpr_affine_dequantize").type = "constexpr_lut_to_dense"


def _two_functions(model: Any) -> None:
    model.mlProgram.functions["other"].opset = "CoreML7"


def _computed_scale(model: Any) -> None:
    operation = first(model, "quantize")
    operation.inputs["scale"].arguments[0].name = operation.inputs["input"].arguments[0].name


def _wrong_shape(model: Any) -> None:
    value = first(model, "constexpr_affine_dequantize").attributes["quantized_data"]
    value.type.tensorType.dimensions[0].constant.size += 1


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (_outside, "is no file of the package"),
        (_elsewhere, "has no weight at byte"),
        (_far, "ends after"),
        (_palette, "constexpr_lut_to_dense stores weights in a form of its own"),
        (_two_functions, "has 2 functions"),
        (_computed_scale, "scale of a quantize is computed"),
        (_wrong_shape, "the program declares"),
    ],
)
def test_package_that_cannot_be_read_is_refused_in_a_sentence(
    package: Path, edit: Edit, what: str
) -> None:
    (package.parent / "secret.bin").write_bytes(b"\0" * 4096)
    with pytest.raises(ArtifactError, match=what):
        read_stored(edited(package, edit))


def test_weight_file_that_is_cut_short_or_missing_is_refused_in_a_sentence(package: Path) -> None:
    (weights,) = package.rglob("weight.bin")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="ends after"):
        read_stored(package)
    weights.unlink()
    with pytest.raises(ArtifactError, match=r"weight\.bin"):
        read_stored(package)


def test_link_that_leads_out_of_the_package_is_not_followed(package: Path) -> None:
    (weights,) = package.rglob("weight.bin")
    weights.rename(package.parent / "elsewhere.bin")
    weights.symlink_to(package.parent / "elsewhere.bin")
    with pytest.raises(ArtifactError):
        read_stored(package)

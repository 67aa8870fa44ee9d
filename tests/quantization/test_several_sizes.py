"""One int8 Core ML package of several sizes: at each it is the package of that size, in the space of one."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from edge_deeplab.checker.report import check_artifacts
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.coreml_sizes import unite_coreml
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.several_sizes import NO_SIZE
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, ConversionError
from edge_deeplab.formats.coreml import load_proto_module
from edge_deeplab.formats.coreml_package import locate_model
from edge_deeplab.formats.manifest import content_bytes, content_sha256
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.runtimes import open_artifact
from tests.by_target import ByTarget
from tests.opening import open_here

from .conftest import NORMALISATION, SIZE_HW, describe_int8

SIZES = (SIZE_HW, (64, 96), (96, 64))


def write_part(
    model: nn.Module,
    quantization: Quantization,
    size_hw: tuple[int, int],
    folder: Path,
    normalisation: Normalisation = NORMALISATION,
) -> Path:
    graph = capture(model, normalisation, size_hw, "classes", quantization, [NO_SIZE])
    path = folder / f"{size_hw[0]}x{size_hw[1]}.mlpackage"
    write_target(graph, describe_int8("coreml", normalisation, size_hw), path)
    return path


@pytest.fixture(scope="module")
def parts(
    model: nn.Module, quantization: Quantization, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """A package of each size."""
    folder = tmp_path_factory.mktemp("parts")
    return [write_part(model, quantization, size, folder) for size in SIZES]


@pytest.fixture(scope="module")
def whole(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that takes all of them."""
    path = tmp_path_factory.mktemp("whole") / "small.mlpackage"
    unite_coreml(parts, path)
    return path


def test_it_lists_every_size_the_first_as_its_default(whole: Path, parts: list[Path]) -> None:
    assert sizes_of(whole) == SIZES
    assert sizes_of(parts[0]) == (None,)


def test_it_is_the_same_bytes_each_time_and_hardly_more_than_one_size(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    unite_coreml(parts, tmp_path / "again.mlpackage")
    assert content_sha256(tmp_path / "again.mlpackage") == content_sha256(whole)
    assert content_bytes(whole) <= 1.1 * content_bytes(parts[0])


@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_it_gives_the_class_map_of_that_size_alone(
    whole: Path, parts: list[Path], index: int
) -> None:
    size = SIZES[index]
    picture = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    found = open_here(whole, size_hw=size)
    assert found.size_hw == size
    assert found.description is not None
    assert found.description.size_hw == size
    assert np.array_equal(found.predict(picture), open_here(parts[index]).predict(picture))


@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_its_operators_are_those_of_that_size_alone(
    whole: Path, parts: list[Path], index: int
) -> None:
    graph = read_graph(whole, SIZES[index])
    assert graph.size_hw == SIZES[index]
    assert graph.operators == read_graph(parts[index]).operators
    shapes = [v.shape for o in graph.operators for v in o.outputs]
    assert not [shape for shape in shapes if shape is None or None in shape]


def test_check_reports_each_size(whole: Path) -> None:
    titles = [report.title for report in check_artifacts([whole])]  # type: ignore[union-attr]
    assert titles == [f"{whole} at {height}x{width}" for height, width in SIZES]


def test_it_stores_the_integers_of_every_other_file(
    whole: Path, int8_files: ByTarget[Path]
) -> None:
    assert compare_stored([whole, int8_files["onnx"]]).differences == ()


def test_a_size_that_it_does_not_list_is_refused(whole: Path, parts: list[Path]) -> None:
    with pytest.raises(
        ArtifactError, match=r"run at 32x32 and takes \d+x\d+, 64x96, 96x64; a size"
    ):
        open_artifact(whole, size_hw=(32, 32))
    with pytest.raises(ArtifactError, match="run at 64x96 and takes"):
        open_artifact(parts[0], size_hw=(64, 96))


def test_programs_that_differ_in_more_than_shapes_are_refused_and_nothing_is_written(
    model: nn.Module, quantization: Quantization, parts: list[Path], tmp_path: Path
) -> None:
    other = Normalisation((120.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    odd = write_part(model, quantization, (64, 96), tmp_path, other)
    with pytest.raises(ConversionError, match=r"several sizes differ in .*; export each size"):
        unite_coreml([parts[0], odd], tmp_path / "whole.mlpackage")
    assert not (tmp_path / "whole.mlpackage").exists()


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [([(8, 0)], "not above 0"), ([(8, 8 + n) for n in range(200)], "200 sizes")],
)
def test_a_list_of_sizes_that_no_device_takes_is_refused(
    whole: Path, tmp_path: Path, sizes: list[tuple[int, int]], reason: str
) -> None:
    strange = tmp_path / "strange.mlpackage"
    shutil.copytree(whole, strange)
    model: Any = load_proto_module("Model_pb2").Model()
    model.ParseFromString(locate_model(strange).read_bytes())
    image = model.description.input[0].type.imageType
    image.ClearField("enumeratedSizes")
    for height, width in sizes:
        image.enumeratedSizes.sizes.add(height=height, width=width)
    locate_model(strange).write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match=reason):
        read_graph(strange)

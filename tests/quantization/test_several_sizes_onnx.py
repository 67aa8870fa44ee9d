"""One int8 ONNX file of several sizes: at each it is the file of that size, its height and width free."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from torch import nn

from edge_deeplab.checker.report import check_artifacts
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.onnx_sizes import unite_onnx
from edge_deeplab.converters.several_sizes import NO_SIZE
from edge_deeplab.errors import ArtifactError, ConversionError
from edge_deeplab.evaluation.taps import tap
from edge_deeplab.formats.onnx_sizes import SIZES_KEY
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.formats.sizes import MOST_SIZES
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.lab.one_size import of_one_size
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.observers.optimized_onnx import OnnxRuntime
from tests.by_target import ByTarget

from .conftest import NORMALISATION, SIZE_HW, describe_int8

SIZES = (SIZE_HW, (64, 96), (96, 64))


def write_parts(
    model: nn.Module, quantization: Quantization, folder: Path, asked: list[Any]
) -> list[Path]:
    paths = []
    for size in SIZES:
        graph = capture(model, NORMALISATION, size, "classes", quantization, asked)
        paths.append(folder / f"{size[0]}x{size[1]}.onnx")
        write_target(graph, describe_int8("onnx", NORMALISATION, size), paths[-1])
    return paths


@pytest.fixture(scope="module")
def own(
    model: nn.Module, quantization: Quantization, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The file of each size, as an export of that size alone writes it."""
    return write_parts(model, quantization, tmp_path_factory.mktemp("own"), [])


@pytest.fixture(scope="module")
def parts(
    model: nn.Module, quantization: Quantization, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """A part of each size."""
    return write_parts(model, quantization, tmp_path_factory.mktemp("parts"), [NO_SIZE])


@pytest.fixture(scope="module")
def whole(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that takes all of them."""
    path = tmp_path_factory.mktemp("whole") / "small.onnx"
    unite_onnx(parts, path)
    return path


def picture(size: tuple[int, int]) -> Any:
    return np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)


def test_it_lists_every_size_the_first_as_its_default(whole: Path, parts: list[Path]) -> None:
    assert sizes_of(whole) == SIZES
    assert sizes_of(parts[0]) == (None,)
    with open_artifact(whole) as opened:
        assert opened.size_hw == SIZES[0]
    (image,) = onnx.load(str(whole)).graph.input
    named = [dimension.dim_param for dimension in image.type.tensor_type.shape.dim]
    assert named == ["", "height", "width", ""]


def test_it_is_the_same_bytes_each_time_and_no_more_than_one_size(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    unite_onnx(parts, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == whole.read_bytes()
    assert len(whole.read_bytes()) <= 1.01 * len(parts[0].read_bytes())


@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_it_gives_class_map_and_scores_of_that_sizes_own_export(
    whole: Path, own: list[Path], index: int
) -> None:
    images = picture(SIZES[index])
    with open_artifact(whole, size_hw=SIZES[index]) as found, open_artifact(own[index]) as expected:
        assert found.size_hw == SIZES[index]
        assert np.array_equal(found.predict(images), expected.predict(images))
        assert np.array_equal(found.logits(images), expected.logits(images))


@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_shapes_are_those_of_that_size_alone(
    whole: Path, parts: list[Path], index: int
) -> None:
    graph, alone = read_graph(whole, SIZES[index]), read_graph(parts[index])
    assert graph.size_hw == SIZES[index]
    assert graph.notes == ()
    for found, expected in zip(graph.operators, alone.operators, strict=True):
        assert (found.type, found.name) == (expected.type, expected.name)
        assert [v.shape for v in found.outputs] == [v.shape for v in expected.outputs]


def test_check_reports_each_size(whole: Path, parts: list[Path]) -> None:
    reports: Any = check_artifacts([whole], observers={"onnxruntime": OnnxRuntime()})
    assert [r.title for r in reports] == [f"{whole} at {h}x{w}" for h, w in SIZES]
    for report, part in zip(reports, parts, strict=True):
        (alone,) = check_artifacts([part], observers={"onnxruntime": OnnxRuntime()})
        assert report.warnings == alone.warnings == ()  # type: ignore[union-attr]
        assert report.profiles[0].count() == alone.profiles[0].count()  # type: ignore[union-attr]


def test_it_stores_the_integers_of_every_other_file(
    whole: Path, int8_files: ByTarget[Path]
) -> None:
    assert compare_stored([whole, int8_files["tflite"]]).differences == ()


def test_values_inside_are_those_of_the_size_of_the_picture(whole: Path, parts: list[Path]) -> None:
    image = picture(SIZES[1])[0]
    found, expected = tap(whole, image), tap(parts[1], image)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_the_file_of_one_size_alone_runs_as_it_is(
    whole: Path, own: list[Path], tmp_path: Path
) -> None:
    path = of_one_size(whole, SIZES[1], tmp_path)
    (image,) = onnx.load(str(path)).graph.input
    assert [d.dim_value for d in image.type.tensor_type.shape.dim] == [1, *SIZES[1], 3]
    images = picture(SIZES[1])
    with open_artifact(path, size_hw=SIZES[1]) as found, open_artifact(own[1]) as expected:
        assert np.array_equal(found.predict(images), expected.predict(images))


def test_a_size_that_it_does_not_list_is_refused(whole: Path) -> None:
    with pytest.raises(ArtifactError, match=r"run at 32x32 and takes 32x48, 64x96, 96x64; a size"):
        open_artifact(whole, size_hw=(32, 32))
    with pytest.raises(ArtifactError, match="does not list the size 32x32"):
        read_graph(whole, (32, 32))


def test_parts_that_differ_in_more_than_shapes_are_refused_and_nothing_is_written(
    own: list[Path], parts: list[Path], tmp_path: Path
) -> None:
    model = onnx.load(str(parts[1]))
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    odd = tmp_path / "odd.onnx"
    onnx.save(model, str(odd))
    with pytest.raises(ConversionError, match=r"several sizes differ in Relu .*; export each size"):
        unite_onnx([parts[0], odd], tmp_path / "whole.onnx")
    model = onnx.load(str(parts[1]))
    stored = model.graph.initializer[0]
    stored.raw_data = bytes(255 - byte for byte in stored.raw_data)
    onnx.save(model, str(odd))
    with pytest.raises(ConversionError, match=f"differ in what they store as {stored.name};"):
        unite_onnx([parts[0], odd], tmp_path / "whole.onnx")
    with pytest.raises(ConversionError, match="several sizes differ in"):
        unite_onnx(own, tmp_path / "whole.onnx")
    assert not (tmp_path / "whole.onnx").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8x", "it lists sizes as '8x'"),
        ("0x8", "it lists sizes as"),
        ("x" * 5000, "it lists sizes as 'x{40}';"),
        (",".join(f"{8 + n}x8" for n in range(MOST_SIZES + 1)), "129 sizes, and at most 128"),
    ],
)
def test_a_list_that_is_none_is_refused(
    whole: Path, tmp_path: Path, text: str, reason: str
) -> None:
    path = listing(whole, text, tmp_path)
    assert sizes_of(path) == (None,)
    with pytest.raises(ArtifactError, match=reason):
        read_graph(path)


def listing(path: Path, text: str, folder: Path) -> Path:
    """Return a copy of a file that lists other sizes."""
    model = onnx.load(str(path))
    kept = [entry for entry in model.metadata_props if entry.key != SIZES_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=SIZES_KEY, value=text)
    onnx.save(model, str(folder / "listing.onnx"))
    return folder / "listing.onnx"


def test_a_file_of_one_size_that_lists_others_is_refused(parts: list[Path], tmp_path: Path) -> None:
    path = listing(parts[0], "64x96,32x48", tmp_path)
    with pytest.raises(ArtifactError, match="is not free to be of a size that it lists"):
        read_graph(path)
    with pytest.raises(ArtifactError), open_artifact(path) as opened:
        opened.predict(picture(SIZES[1]))


def test_damaged_bytes_list_sizes_or_are_refused(whole: Path, tmp_path: Path) -> None:
    content, random = whole.read_bytes(), np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    for _ in range(500):
        damaged = bytearray(content)
        for place in random.integers(len(content) - 3000, len(content), 4):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        assert len(sizes_of(path)) <= MOST_SIZES

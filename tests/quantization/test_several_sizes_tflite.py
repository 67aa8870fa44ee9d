"""One int8 TFLite file of several sizes: at each it is the file of that size, its weights stored once."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT
from torch import nn

from edge_deeplab import api
from edge_deeplab.checker.report import check_artifacts
from edge_deeplab.checker.tflite.fix import fix_versions
from edge_deeplab.checker.tflite.opcodes import pack_model
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.tflite_sizes import unite_tflite
from edge_deeplab.errors import ArtifactError, ConversionError
from edge_deeplab.evaluation.drift import DriftChain
from edge_deeplab.evaluation.explain import _sized
from edge_deeplab.evaluation.latency import Latency
from edge_deeplab.evaluation.taps import tap
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.formats.sizes import MOST_SIZES
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.formats.tflite_sizes import listed_sizes, size_alone
from edge_deeplab.lab.one_size import of_one_size
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.observers.xnnpack import ALONE, Xnnpack, measure_xnnpack
from tests.by_target import ByTarget

from .conftest import NORMALISATION, SIZE_HW, describe_int8

SIZES = (SIZE_HW, (64, 96), (96, 64))
RUNTIMES = ("interpreter", "interpreter-builtin", "compiled-model")


@pytest.fixture(scope="module")
def parts(
    model: nn.Module, quantization: Quantization, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """A file of each size."""
    folder = tmp_path_factory.mktemp("parts")
    paths = []
    for size in SIZES:
        graph = capture(model, NORMALISATION, size, "classes", quantization)
        paths.append(folder / f"{size[0]}x{size[1]}.tflite")
        write_target(graph, describe_int8("tflite", NORMALISATION, size), paths[-1])
    return paths


@pytest.fixture(scope="module")
def whole(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that takes all of them."""
    path = tmp_path_factory.mktemp("whole") / "small.tflite"
    unite_tflite(parts, path)
    return path


def picture(size: tuple[int, int]) -> Any:
    return np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)


def changed(path: Path, to: Path, change: Any) -> Path:
    """Return a copy of a file whose object form was changed in place."""
    import ai_edge_litert.schema_py_generated as schema

    model = ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    change(model)
    to.write_bytes(pack_model(schema, model))
    return to


def test_it_lists_every_size_the_first_as_its_default(whole: Path, parts: list[Path]) -> None:
    assert sizes_of(whole) == SIZES
    assert sizes_of(parts[0]) == (None,)
    assert read_graph(whole).operators == read_graph(whole, SIZES[0]).operators
    assert read_graph(whole).notes == ()


def test_it_is_the_same_bytes_each_time_and_stores_its_weights_once(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    unite_tflite(parts, tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == whole.read_bytes()
    one, united = (ModelT.InitFromPackedBuf(path.read_bytes(), 0) for path in (parts[0], whole))
    longest = max(len(buffer.data) for buffer in one.buffers if buffer.data is not None)
    sizes = [len(buffer.data) for buffer in united.buffers if buffer.data is not None]
    assert sizes.count(longest) == 1
    stored = {buffer.data.tobytes() for buffer in united.buffers if buffer.data is not None}
    assert len(stored) == len(sizes)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_it_gives_the_class_map_of_that_size_alone(
    whole: Path, parts: list[Path], index: int, runtime: str
) -> None:
    images = picture(SIZES[index])
    with (
        open_artifact(whole, size_hw=SIZES[index], runtime=runtime) as found,
        open_artifact(parts[index], runtime=runtime) as expected,
    ):
        assert found.size_hw == SIZES[index]
        assert np.array_equal(found.predict(images), expected.predict(images))


def test_it_is_timed_at_each_size_or_at_the_one_that_is_asked_for(whole: Path) -> None:
    report = api.bench(whole, rounds=1, threads=1)
    assert [row.size_hw for row in report.rows] == [*SIZES]
    assert all(isinstance(row, Latency) for row in report.rows)
    (row,) = api.bench(whole, rounds=1, threads=1, size_hw=SIZES[1]).rows
    assert (type(row), row.size_hw) == (Latency, SIZES[1])
    (failed,) = api.bench(whole, rounds=1, threads=1, size_hw=(8, 8)).failures
    assert "was to be run at 8x8 and takes 32x48, 64x96, 96x64" in failed.error


def test_without_a_size_it_runs_at_the_first(whole: Path) -> None:
    with open_artifact(whole) as opened:
        assert opened.size_hw == SIZES[0]


@pytest.mark.parametrize("runtime", RUNTIMES[:2])
def test_scores_behind_the_class_map_are_those_of_that_size_alone(
    whole: Path, parts: list[Path], runtime: str
) -> None:
    images = picture(SIZES[2])
    with (
        open_artifact(whole, size_hw=SIZES[2], runtime=runtime) as found,
        open_artifact(parts[2], runtime=runtime) as expected,
    ):
        assert np.array_equal(found.logits(images), expected.logits(images))


def test_an_app_runs_a_size_by_the_name_of_its_signature(whole: Path, parts: list[Path]) -> None:
    interpreter = Interpreter(model_path=str(whole))
    assert list(interpreter.get_signature_list()) == sorted(f"{h}x{w}" for h, w in SIZES)
    for size, part in zip(SIZES, parts, strict=True):
        found = interpreter.get_signature_runner(f"{size[0]}x{size[1]}")(image=picture(size))
        expected = Interpreter(model_path=str(part)).get_signature_runner()(image=picture(size))
        assert np.array_equal(found["classes"], expected["classes"])


@pytest.mark.parametrize("index", range(len(SIZES)))
def test_at_each_size_its_operators_are_those_of_that_size_alone(
    whole: Path, parts: list[Path], index: int
) -> None:
    graph = read_graph(whole, SIZES[index])
    assert graph.size_hw == SIZES[index]
    assert graph.operators == read_graph(parts[index]).operators


def test_check_reports_each_size_and_xnnpack_is_seen_at_each(
    whole: Path, parts: list[Path]
) -> None:
    reports: Any = check_artifacts([whole], observers={"xnnpack": Xnnpack()})
    assert [r.title for r in reports] == [f"{whole} at {h}x{w}" for h, w in SIZES]
    for report, part in zip(reports, parts, strict=True):
        seen = report.seen_by("xnnpack").observation
        own = measure_xnnpack(part)
        assert (seen.taken, seen.left, seen.subgraphs) == (own.taken, own.left, own.subgraphs)
        assert report.notes == (ALONE,)
        assert report.version_findings == report.signature_findings == ()


def test_what_is_wrong_with_one_size_is_told_of_that_size(whole: Path, tmp_path: Path) -> None:
    def lift(model: Any) -> None:
        operator = model.subgraphs[1].operators[-1]
        code = ModelT.InitFromPackedBuf(whole.read_bytes(), 0).operatorCodes[operator.opcodeIndex]
        code.version = 9
        model.operatorCodes.append(code)
        operator.opcodeIndex = len(model.operatorCodes) - 1

    path = changed(whole, tmp_path / "lifted.tflite", lift)
    reports: Any = check_artifacts([path])
    assert [len(report.version_findings) for report in reports] == [0, 1, 0]


def test_it_stores_the_integers_of_every_other_file(
    whole: Path, parts: list[Path], int8_files: ByTarget[Path]
) -> None:
    assert compare_stored([whole, int8_files["onnx"]]).differences == ()
    assert compare_stored([parts[1], whole]).differences == ()


def test_a_size_that_stores_another_scale_is_named(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    def rescale(model: Any) -> None:
        tensors = [t for t in model.subgraphs[1].tensors if t.name == b"stem__2__relu"]
        (tensor,) = tensors
        tensor.quantization.scale = tensor.quantization.scale * 2

    path = changed(whole, tmp_path / "odd.tflite", rescale)
    said = compare_stored([parts[0], path]).differences
    assert any("stem__2__relu at 64x96" in sentence for sentence in said)


def test_values_inside_are_those_of_the_size_of_the_picture(whole: Path, parts: list[Path]) -> None:
    image = picture(SIZES[1])[0]
    found, expected = tap(whole, image), tap(parts[1], image)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_the_file_of_one_size_alone_runs_as_it_is(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    path = of_one_size(whole, SIZES[1], tmp_path)
    assert path.parent == tmp_path
    assert sizes_of(path) == (None,)
    assert read_graph(path).operators == read_graph(parts[1]).operators
    for runtime in RUNTIMES:
        with (
            open_artifact(path, runtime=runtime) as opened,
            open_artifact(parts[1], runtime=runtime) as own,
        ):
            assert np.array_equal(opened.predict(picture(SIZES[1])), own.predict(picture(SIZES[1])))
    assert of_one_size(parts[1], SIZES[1], tmp_path) == parts[1]


def test_a_size_that_it_does_not_list_is_refused(whole: Path) -> None:
    with pytest.raises(ArtifactError, match=r"run at 32x32 and takes 32x48, 64x96, 96x64; a size"):
        open_artifact(whole, size_hw=(32, 32))
    with pytest.raises(ArtifactError, match="does not list the size 32x32"):
        read_graph(whole, (32, 32))


def test_parts_that_are_not_of_one_size_each_are_refused_and_nothing_is_written(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    for wrong, match in (
        ([parts[0], whole], "has 3 subgraphs and 3 signatures; one of each was expected"),
        ([parts[0], parts[0]], "has sizes 32x48, 32x48; a size that no other has was expected"),
    ):
        with pytest.raises(ConversionError, match=match):
            unite_tflite(wrong, tmp_path / "whole.tflite")
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(parts[0].read_bytes()[:100])
    with pytest.raises(ArtifactError):
        unite_tflite([parts[0], damaged], tmp_path / "whole.tflite")
    assert not (tmp_path / "whole.tflite").exists()


def rename(model: Any) -> None:
    model.signatureDefs[1].signatureKey = b"encode"


def misname(model: Any) -> None:
    model.signatureDefs[1].signatureKey = b"64x64"


def name_twice(model: Any) -> None:
    model.signatureDefs[1].subgraphIndex = 0
    model.signatureDefs[1].signatureKey = model.signatureDefs[0].signatureKey


def point_elsewhere(model: Any) -> None:
    model.signatureDefs[1].subgraphIndex = 77


def drop(model: Any) -> None:
    model.signatureDefs = model.signatureDefs[:2]


@pytest.mark.parametrize("change", [rename, misname, name_twice, point_elsewhere, drop])
def test_signatures_that_mean_something_else_are_no_sizes_and_read_as_before(
    whole: Path, parts: list[Path], tmp_path: Path, change: Any
) -> None:
    path = changed(whole, tmp_path / "foreign.tflite", change)
    assert sizes_of(path) == (None,)
    graph = read_graph(path)
    assert graph.size_hw is None
    assert graph.notes == ("2 further subgraphs are not listed",)
    assert graph.operators == read_graph(parts[0]).operators
    assert size_alone(path.read_bytes(), SIZES[1]) == path.read_bytes()


def test_more_sizes_than_are_read_are_refused(whole: Path, tmp_path: Path) -> None:
    import copy

    def multiply(model: Any) -> None:
        graph, signature = model.subgraphs[0], model.signatureDefs[0]
        graph.operators = graph.operators[:1]
        model.subgraphs, model.signatureDefs = [], []
        for index in range(MOST_SIZES + 1):
            graph, signature = copy.deepcopy(graph), copy.deepcopy(signature)
            height = 8 + index
            graph.tensors[graph.inputs[0]].shape = np.array([1, height, 8, 3], np.int32)
            signature.signatureKey, signature.subgraphIndex = f"{height}x8".encode(), index
            model.subgraphs.append(graph)
            model.signatureDefs.append(signature)

    path = changed(whole, tmp_path / "many.tflite", multiply)
    assert sizes_of(path) == (None,)
    with pytest.raises(ArtifactError, match=f"{MOST_SIZES + 1} sizes, and at most {MOST_SIZES}"):
        read_graph(path)


def test_damaged_bytes_list_sizes_or_none_and_raise_nothing_else(whole: Path) -> None:
    content = whole.read_bytes()
    random = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2000):
            damaged = bytearray(content)
            for place in random.integers(0, min(len(content), 1 << 16), 4):
                damaged[place] = random.integers(256)
            sizes = listed_sizes(bytes(damaged))
            assert set(sizes) <= set(SIZES) or not sizes
            if sizes:
                assert len(size_alone(bytes(damaged), next(iter(sizes)))) == len(content)
        for end in range(0, len(content), len(content) // 50):
            listed_sizes(content[:end])


def test_mended_versions_are_proven_at_each_size(
    whole: Path, parts: list[Path], tmp_path: Path
) -> None:
    def lift(model: Any) -> None:
        for code in model.operatorCodes:
            code.version += code.builtinCode == BuiltinOperator.ARG_MAX

    lifted = [changed(path, tmp_path / f"lifted-{path.name}", lift) for path in (whole, *parts)]
    fixes = [fix_versions(path) for path in lifted]
    assert fixes[0].inputs == sum(fix.inputs for fix in fixes[1:])
    mended = fixes[0].path
    assert mended is not None
    assert sizes_of(mended) == SIZES
    assert mended.read_bytes() == whole.read_bytes()  # what its sizes share is shared again
    for size in SIZES:
        images = picture(size)
        with (
            open_artifact(lifted[0], size_hw=size) as before,
            open_artifact(mended, size_hw=size) as after,
        ):
            assert np.array_equal(before.predict(images), after.predict(images))


def test_a_chain_of_one_size_of_several_tells_which(whole: Path) -> None:
    chain = _sized(DriftChain(whole, error="no"), SIZES[1])
    assert chain.title == "small.tflite at 64x96"
    assert chain.to_json() == {"path": str(whole), "size_hw": [64, 96], "error": "no"}
    assert _sized(DriftChain(whole), (8, 8)).title == "small.tflite"

"""A Core ML package is the same bytes whenever it is exported."""

from collections.abc import Callable
from pathlib import Path

import pytest
from coremltools.models import MLModel
from coremltools.proto import Model_pb2

from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.to_coreml import remove_chance, write_coreml
from edge_deeplab.description import Head
from edge_deeplab.formats.manifest import content_sha256
from tests.converters.conftest import describe


@pytest.fixture(scope="module")
def packages(
    canonical: Callable[[Head], CanonicalGraph], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The same graph, written twice."""
    folder = tmp_path_factory.mktemp("packages")
    paths = [folder / name / "tiny.mlpackage" for name in ("first", "second")]
    for path in paths:
        path.parent.mkdir()
        write_coreml(canonical("classes"), describe("coreml", "fp16", "classes"), path)
    return paths


def test_two_exports_of_one_graph_are_the_same_bytes(packages: list[Path]) -> None:
    first, second = packages
    assert content_sha256(first) == content_sha256(second)


def test_program_is_written_in_the_order_that_protobuf_defines_and_without_a_date(
    packages: list[Path],
) -> None:
    content = (packages[0] / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    program = Model_pb2.Model.FromString(content)
    assert content == program.SerializeToString(deterministic=True)
    assert not [key for key in program.description.metadata.userDefined if "date" in key]


def test_rewritten_package_is_one_that_coremltools_reads(packages: list[Path]) -> None:
    model = MLModel(str(packages[0]), skip_model_load=True)
    assert "edge_deeplab" in model.user_defined_metadata
    before = content_sha256(packages[0])
    remove_chance(packages[0])
    assert content_sha256(packages[0]) == before

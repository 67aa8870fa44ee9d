"""The one table of targets: every other table keyed by target has its keys, and a target is few modules."""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, cast, get_args

import numpy as np
import pytest

from edge_deeplab.checker.rules import load_profile
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation import taps
from edge_deeplab.formats.read import is_readable, read_graph
from edge_deeplab.formats.stored import read as stored
from edge_deeplab.targets import (
    TARGETS,
    Precision,
    RuntimeName,
    Target,
    TargetName,
    runtime_names,
    target_of,
    target_run_by,
)
from edge_deeplab.versions import TESTED


def test_names_of_the_types_are_the_keys_of_the_table() -> None:
    assert get_args(TargetName) == tuple(TARGETS)
    assert sorted(get_args(RuntimeName)) == sorted(runtime_names())
    assert {p for target in TARGETS.values() for p in target.precisions} == {*get_args(Precision)}


@pytest.mark.parametrize("name", TARGETS)
def test_target_has_a_lowering_a_reader_rules_and_engines(name: TargetName) -> None:
    target = TARGETS[name]
    assert callable(getattr(import_module(f"edge_deeplab.converters.to_{name}"), f"write_{name}"))
    assert callable(getattr(import_module(f"edge_deeplab.formats.{name}"), f"read_{name}"))
    assert set(import_module(f"edge_deeplab.runtimes.{name}").ENGINES) == {*target.runtimes}
    assert load_profile(str(target.default_profile)).format == name
    assert set(target.packages) <= set(TESTED)


def test_tables_keyed_by_target_have_its_keys() -> None:
    assert {*stored._OPENERS} == {*TARGETS}
    assert {*taps._OPENERS} == {*TARGETS} - {"executorch"}, "XNNPACK keeps what is inside its parts"


def test_runtime_belongs_to_one_target() -> None:
    for name, target in TARGETS.items():
        assert {target_run_by(runtime) for runtime in target.runtimes} == {name}


@pytest.mark.parametrize("path", ["a.TFLITE", "A.tFlite", "folder/a.tflite"])
def test_target_of_compares_endings_in_either_case(path: str) -> None:
    assert target_of(PurePath(path)) == "tflite"
    assert target_of(PurePath("a.tflite.gz")) is None


class ToyEngine:
    """Runs the toy target's file, which holds the class ids of one small picture."""

    name = "toy 1"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        from edge_deeplab.runtimes.inputs import image_tensor

        text, _, description = path.read_text().partition("\n")
        self._class = int(text)
        self.image = image_tensor("image", (1, 32, 48, 3), "uint8", path=str(path))
        self.description_text = description

    def run(self, tensor: Any) -> Any:
        return np.full((1, 32, 48), self._class, np.int32)

    def run_scores(self, tensor: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> TargetName:
    """Register a target as its author would: a row, a lowering, engines; its reader comes later."""
    row = replace(
        TARGETS["onnx"], label="Toy", ending=".toy", default_profile=None, runtimes=("toy",)
    )
    monkeypatch.setitem(cast(dict[str, Target], TARGETS), "toy", row)

    def write_toy(graph: Any, description: Any, path: Path) -> None:
        path.write_text(f"3\n{description.to_json()}")

    for name, members in {
        "edge_deeplab.converters.to_toy": {"write_toy": write_toy},
        "edge_deeplab.runtimes.toy": {"ENGINES": {"toy": lambda: ToyEngine}},
    }.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return cast(TargetName, "toy")


def test_new_target_of_three_modules_is_written_and_run(toy: TargetName, tmp_path: Path) -> None:
    from edge_deeplab.converters.capture import CanonicalGraph
    from edge_deeplab.converters.export import export_graph, file_name
    from edge_deeplab.runtimes.artifact import ArtifactRuntime
    from edge_deeplab.runtimes.engine_service import service
    from tests.converters.conftest import describe

    graph = CanonicalGraph(cast(Any, None), "classes", (32, 48))
    described = describe(toy, "fp32", "classes")
    artifact = export_graph(graph, described, tmp_path / file_name(described))
    assert artifact.path.suffix == ".toy"
    assert (artifact.profiles, sum(artifact.operators.values())) == ((), 0)
    answers = service(cast(RuntimeName, "toy"))
    assert answers["open"](str(artifact.path), {})["name"] == "toy 1"
    runtime = ArtifactRuntime(artifact.path, cast(Any, ToyEngine(artifact.path)), None)
    assert (runtime.predict(np.zeros((2, 32, 48, 3), np.uint8)) == 3).all()


def test_target_without_a_reader_is_said_not_to_be_checked(toy: TargetName, tmp_path: Path) -> None:
    assert not is_readable(toy)
    with pytest.raises(ArtifactError, match="not read yet: it is not checked"):
        read_graph(tmp_path / "a.toy")

"""What `import edge_deeplab` offers: names, signatures, and that it costs nothing until it is used."""

import importlib
import inspect
import pydoc
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch

import edge_deeplab as ed
from edge_deeplab import api
from edge_deeplab.child.limits import Allowance
from edge_deeplab.config import QatRecipe
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError, EdgeDeepLabError, OutputError
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.progress import SILENT


def test_face_is_sorted_and_every_name_is_a_function_of_the_api() -> None:
    assert ed.__all__ == sorted(ed.__all__)
    for name in ed.__all__:
        assert inspect.isfunction(getattr(api, name)), name
        assert inspect.signature(getattr(ed, name)) == inspect.signature(getattr(api, name))
        assert inspect.getdoc(getattr(api, name)), name
    assert {*ed.__all__} <= {*dir(ed)}


def test_public_functions_of_the_api_are_the_face() -> None:
    own = {
        name for name, member in vars(api).items() if inspect.isfunction(member) and name[0] != "_"
    }
    assert own == {*ed.__all__}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = ed.segment


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, edge_deeplab as ed; dir(ed); ed.bench\n"
        "heavy = {'torch', 'numpy', 'onnx', 'onnxruntime', 'rich', 'typer', 'PIL'} & {*sys.modules}\n"
        "sys.exit(', '.join(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("name", ["compress", "data", "lab", "models", "report"])
def test_verb_stays_callable_once_the_subpackage_of_its_name_is_imported(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(importlib.import_module(f"edge_deeplab.{name}"), ModuleType)
    monkeypatch.setattr(api, name, lambda *arguments, **keywords: (arguments, keywords))
    assert getattr(ed, name)(1, two=2) == ((1,), {"two": 2})


BASE: dict[str, dict[str, Any]] = {
    "bench": {"artifacts": "absent.onnx"},
    "check": {"artifacts": "absent.onnx"},
    "compare_quantization": {"artifacts": "absent.onnx"},
    "compress": {"data": "absent", "recipe": {}, "output": "run"},
    "data": {"folder": "absent"},
    "evaluate": {"model": "absent", "data": "absent"},
    "explain_rule": {"rule": "nothing"},
    "export": {"model": "absent", "calibrate": "absent", "targets": "onnx"},
    "import_checkpoint": {"file": "absent.tflite", "output": "a.safetensors"},
    "install_lab_tools": {"names": "nothing"},
    "lab": {"artifacts": "absent.onnx"},
    "load": {"source": "absent"},
    "measure_flicker": {"artifacts": "absent.onnx", "data": "absent"},
    "open_artifact": {"path": "absent.onnx"},
    "parity": {"artifacts": "absent.onnx", "data": "absent"},
    "prune": {"data": "absent", "output": "run"},
    "quantize": {"data": "absent", "output": "run"},
    "rank_quantizers": {"data": "absent", "output": "run"},
    "report": {"files": "absent.onnx", "data": "absent", "output": "page.html"},
    "replay": {"artifact": "absent.onnx", "photographs": "absent", "output": "masks"},
    "sweep_groups": {"data": "absent", "output": "run"},
    "train": {"data": "absent", "output": "run"},
    "wrap": {
        "module": torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1)),
        "classes": ("a", "b"),
        "normalisation": Normalisation((0.0,) * 3, (1.0,) * 3),
        "size_hw": (16, 16),
    },
    "write_contract": {"artifact": "absent.onnx", "data": "absent", "output": "contract"},
    "write_mac_script": {"artifacts": "absent.mlpackage", "output": "ask.py"},
}
"""What each verb is called with beside the keyword under test: it names what does not exist, so nothing runs long."""

HOSTILE = (5, 1.5, True, float("nan"), "nope", "", b"x", [], [None], {}, {"a": 1}, None, Path, len)


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        (name, keyword)
        for name in ed.__all__
        for keyword in inspect.signature(getattr(api, name)).parameters
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    name: str, keyword: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = set()
    default = inspect.signature(getattr(api, name)).parameters[keyword].default
    for value in HOSTILE:
        if value is default:
            continue  # it is meant, and what it means may take long
        try:
            getattr(ed, name)(**{**BASE.get(name, {}), keyword: value})
        except EdgeDeepLabError as error:
            said.add(str(error))
    assert said, "something of it cannot be meant"
    assert not [sentence for sentence in said if "\n" in sentence]


@pytest.mark.parametrize(
    ("name", "keywords", "sentence"),
    [
        ("train", {"recipe": 5}, "a recipe came as 5; a Recipe, a mapping of its sections"),
        ("prune", {"recipe": QatRecipe()}, "a PruneRecipe, a mapping of its sections"),
        ("train", {"workers": -1}, "workers came as -1; a whole number from 0 was expected"),
        ("compress", {"workers": "2"}, "workers came as '2'; a whole number from 0"),
        ("bench", {"allowance": 5}, "allowance came as 5; an Allowance .* or None was expected"),
        ("open_artifact", {"allowance": 5}, "allowance came as 5; an Allowance"),
        ("check", {"progress": print}, "an object with begin, advance and note was expected"),
        ("models", {"progress": type(SILENT)}, "an object with begin, advance and note"),
        ("export", {"sparsity": 5}, "sparsity came as 5; text or None was expected"),
        ("export", {"targets": []}, "no target came; at least one was expected"),
        ("evaluate", {"scales": 5}, "scales came as 5; a list of numbers was expected"),
        (
            "evaluate",
            {"trimap": 5},
            "trimap came as 5; a list of whole numbers was expected",
        ),
        ("evaluate", {"class_map": {"x": 5}}, "class map .* cannot be used"),
        ("parity", {"runtime": "onnxruntim"}, "unknown runtime 'onnxruntim'.*onnxruntime"),
        ("bench", {"runtime": "nope"}, "unknown runtime 'nope'; choose one of: core-ml"),
    ],
)
def test_keyword_of_another_kind_is_named(
    name: str, keywords: dict[str, Any], sentence: str, make_dataset: Any
) -> None:
    data = {"data": make_dataset("test", count=1)} if "class_map" in keywords else {}
    with pytest.raises(ConfigError, match=sentence):
        getattr(ed, name)(**{**BASE.get(name, {}), **data, **keywords})


def test_allowance_is_of_positive_numbers() -> None:
    with pytest.raises(ConfigError, match="a memory limit of x came"):
        Allowance("x")  # type: ignore[arg-type]


def test_one_file_several_and_what_export_gives_are_artifacts() -> None:
    from edge_deeplab.api.named import to_names, to_paths, to_size

    given = SimpleNamespace(path=Path("b.onnx"))
    assert to_paths("a.onnx") == (Path("a.onnx"),)
    assert to_paths(given) == (Path("b.onnx"),)
    assert to_paths(iter(["a.onnx", given])) == (Path("a.onnx"), Path("b.onnx"))
    assert to_names("profiles", "onnx-cpu") == ("onnx-cpu",)
    size = to_size(np.array([96, 128]))
    assert size == (96, 128)
    assert all(type(side) is int for side in size or ())


def test_check_gives_an_entry_to_each_file_and_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = ed.check([tmp_path / "empty", tmp_path / "absent.onnx"])
    assert [entry.path.name for entry in found] == ["absent.onnx", "empty"]
    assert found[1].to_json() == {
        "path": str(tmp_path / "empty"),
        "format": None,
        "profiles": [],
        "error": found[1].error,
    }
    assert "is a folder without manifest.json" in found[1].error


def test_check_takes_an_output_with_fix_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an output came without fix"):
        ed.check(tmp_path / "a.tflite", output=tmp_path / "b.tflite")
    with pytest.raises(OutputError, match="is a folder and a file was to be written"):
        ed.check(tmp_path / "a.tflite", fix=True, output=tmp_path)


def test_quantization_of_one_file_is_not_compared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 file came to compare; two or more were expected"):
        ed.compare_quantization(tmp_path / "a.onnx")


def test_rule_is_explained_by_its_id() -> None:
    assert ed.explain_rule("onnx-cpu.dilated-depthwise").profiles == ("onnx-cpu",)
    with pytest.raises(ConfigError, match="perhaps onnx-cpu"):
        ed.explain_rule("onnx-cpu.dilated-depthwize")


def test_mac_is_asked_about_one_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one package at a time"):
        ed.write_mac_script([tmp_path / "a.mlpackage"] * 2, tmp_path / "ask.py")
    with pytest.raises(ConfigError, match="came for a Mac's script; an "):
        ed.write_mac_script(tmp_path / "a.onnx", tmp_path / "ask.py")


def test_every_rewrite_is_listed_with_what_asks_for_it() -> None:
    found = ed.rewrites()
    assert "fold-batch-norm" in {rewrite.name for rewrite in found.always}
    assert found.asked["zero-insert"].asked_by


@pytest.mark.parametrize("name", ed.__all__)
def test_types_of_a_signature_can_be_resolved(name: str) -> None:
    found = get_type_hints(getattr(ed, name))
    assert {*found} == {*inspect.signature(getattr(ed, name)).parameters, "return"}


@pytest.mark.parametrize("name", ["compress", "data", "lab", "models", "report"])
def test_help_is_the_verbs_once_the_subpackage_of_its_name_is_imported(name: str) -> None:

    importlib.import_module(f"edge_deeplab.{name}")
    first, *_ = str(inspect.getdoc(getattr(api, name))).splitlines()
    assert first in pydoc.render_doc(getattr(ed, name), renderer=pydoc.plaintext)


def test_evaluation_equals_itself_alone() -> None:
    counts = np.ones((1, 2, 3), np.int64)
    made = [
        Evaluation(
            "torch", ("a", "b"), (8, 8), counts, counts[0], np.ones(1), 1.0, Path("a"), "set"
        )
        for _ in range(2)
    ]
    assert made[0] == made[0]
    assert made[0] != made[1]
    assert len({*made}) == 2


@pytest.mark.parametrize("once", [iter([1.0]), map(float, "1"), (value for value in [1.0])])
def test_what_can_be_read_once_is_no_list(once: object) -> None:
    """Checking it would use it up, and nothing would be scored at any scale."""
    with pytest.raises(ConfigError, match="scales"):
        ed.evaluate(scales=once)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan")])
def test_number_that_no_float_holds_is_refused(number: float) -> None:
    with pytest.raises(ConfigError, match="max_drop"):
        ed.parity(max_drop=number)

"""What `import edge_deeplab` offers: names, signatures, and that it costs nothing until it is used."""

import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import edge_deeplab as ed
from edge_deeplab import api
from edge_deeplab.errors import ConfigError, EdgeDeepLabError, OutputError


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


@pytest.mark.parametrize("name", ["compress", "models"])
def test_verb_stays_callable_once_the_subpackage_of_its_name_is_imported(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import edge_deeplab.compress.steps
    import edge_deeplab.models.deeplab

    assert callable(edge_deeplab.models.deeplab.build_model)
    monkeypatch.setattr(api, name, lambda *arguments, **keywords: (arguments, keywords))
    assert getattr(ed, name)(1, two=2) == ((1,), {"two": 2})


@pytest.mark.parametrize(
    "call",
    [
        lambda path: ed.load(5),
        lambda path: ed.load([]),
        lambda path: ed.export(5),
        lambda path: ed.export(None, 5),
        lambda path: ed.export(None, "onnx", size_hw=(96,)),
        lambda path: ed.export(None, "onnx", size_hw="96x128"),
        lambda path: ed.export(None, "onnx", output=None),
        lambda path: ed.check(5),
        lambda path: ed.check([]),
        lambda path: ed.check([None]),
        lambda path: ed.check(path, profiles=5),
        lambda path: ed.check(path, merge=5),
        lambda path: ed.parity([path, None]),
        lambda path: ed.parity(path, limit="4"),
        lambda path: ed.parity(path, class_map=5),
        lambda path: ed.parity(path, max_drop="x"),
        lambda path: ed.bench(path, rounds=1.5),
        lambda path: ed.bench(path, threads=True),
        lambda path: ed.evaluate(path, split=None),
        lambda path: ed.evaluate(5),
        lambda path: ed.parity(path, reference=5),
        lambda path: ed.open_artifact(None),
        lambda path: ed.train(5, path),
        lambda path: ed.compress(None, data=path, recipe={}, output=None),
        lambda path: ed.quantize(None, data=None, output=path),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(call: Any, tmp_path: Path) -> None:
    with pytest.raises(EdgeDeepLabError, match="expected"):
        call(tmp_path / "a.onnx")


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

"""What `import edge_deeplab` offers: names, signatures, and that it costs nothing until it is used."""

import inspect
import subprocess
import sys

import pytest

import edge_deeplab as ed
from edge_deeplab import api


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

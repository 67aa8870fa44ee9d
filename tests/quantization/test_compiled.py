"""NNCF's extension is loaded whatever a build that was killed has left behind."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from nncf.torch.quantization import extensions

from edge_deeplab.quantization.compiled import load_compiled_quantizers


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_mark_of_a_build_that_was_killed_is_not_waited_for(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    loader = getattr(extensions, f"QuantizedFunctions{device.upper()}Loader")
    mark = Path(loader.get_build_dir()) / "lock"
    mark.touch()
    loaded = []

    def load(function: str) -> None:
        assert not mark.exists()
        loaded.append(function)

    namespace = f"QuantizedFunctions{device.upper()}"
    monkeypatch.setattr(extensions, namespace, SimpleNamespace(get=load))
    load_compiled_quantizers(device)
    assert loaded
    mark.touch()
    load_compiled_quantizers(device)
    assert not mark.exists()

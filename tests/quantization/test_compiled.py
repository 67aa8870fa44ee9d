"""NNCF's quantizers: torch's operators for a short training, and its extension, whatever a killed build left behind."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nncf.torch.quantization import extensions
from nncf.torch.quantization.quantize_functions import asymmetric_quantize

from edge_deeplab.quantization.compiled import load_quantizers

LONG = 1000
"""Steps of a training that building is worth for."""


@pytest.fixture(autouse=True)
def namespace() -> Iterator[Any]:
    """NNCF's functions on a CPU; what is loaded is as it was afterwards."""
    functions = extensions.QuantizedFunctionsCPU
    before = functions._loaded_namespace
    yield functions
    functions._loaded_namespace = before


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
    load_quantizers(device, LONG)
    assert loaded
    mark.touch()
    load_quantizers(device, LONG)
    assert not mark.exists()


def test_short_training_on_a_cpu_builds_nothing_and_a_gpu_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    load_quantizers("cpu", 10)
    values = quantized_and_gradients()
    assert not list(tmp_path.rglob("*.ninja"))
    assert len(values[0].unique()) > 50
    asked: list[str] = []
    gpu = SimpleNamespace(get=asked.append)
    monkeypatch.setattr(extensions, "QuantizedFunctionsCUDA", gpu, raising=False)
    load_quantizers("cuda", 10)
    assert asked == ["Quantize_forward"]


@pytest.mark.slow  # it builds for a minute
def test_extension_computes_what_torchs_operators_do(namespace: Any) -> None:
    load_quantizers("cpu", 10)
    plain = quantized_and_gradients()
    load_quantizers("cpu", LONG)
    assert not isinstance(namespace._loaded_namespace, SimpleNamespace)
    for one, other in zip(plain, quantized_and_gradients(), strict=True):
        torch.testing.assert_close(one, other)


def quantized_and_gradients() -> tuple[torch.Tensor, ...]:
    """Return quantized noise, and the gradients of it, of the lower end and of the range."""
    image = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    low, span = (torch.tensor([end], requires_grad=True) for end in (-1.5, 3.25))
    result = asymmetric_quantize(image, 256, -128, 127, low, span, 1e-16)
    (result * torch.arange(72.0).reshape(2, 1, 6, 6)).sum().backward()
    assert image.grad is not None
    assert low.grad is not None
    assert span.grad is not None
    return result.detach(), image.grad, low.grad, span.grad

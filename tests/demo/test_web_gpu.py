"""WebGPU in the page: asked for, tested on a golden frame, and left where it is wrong. SwiftShader is the GPU here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_deeplab.demo.web_folder import WebSite
from tests.demo.chromium import Chromium
from tests.demo.conftest import export_brightest
from tests.demo.test_web_page import SHARES, click, opened, text
from tests.demo.web import Serve, site_of

SWIFTSHADER = (
    *("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"),
    *("--enable-features=Vulkan", "--use-vulkan=swiftshader"),
)


@pytest.fixture
def browser() -> Iterator[Chromium]:
    with Chromium(*SWIFTSHADER) as chromium:
        yield chromium


def switch_on(browser: Chromium, address: str) -> None:
    """Open the page, press its switch, and wait until a model runs again."""
    opened(browser, address)
    click(browser, "#webgpu")
    browser.wait_for("!webgpu.disabled && !note.hidden")


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_webgpu_that_is_right_runs_the_model(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, target: str
) -> None:
    switch_on(browser, serve(sites[target].path))
    assert text(browser, "note") == "The self-test passed on WebGPU."
    assert (text(browser, "asked"), text(browser, "got")) == ("WebGPU", "WebGPU")
    click(browser, "#check")
    browser.wait_for(f"{SHARES}.length === 8")
    assert browser.evaluate(SHARES) == [1.0] * 8


def test_webgpu_that_gives_ids_of_no_class_is_left_and_says_why(
    browser: Chromium, serve: Serve, tmp_path: Path
) -> None:
    """LiteRT takes the argmax over channels that it padded: where all scores are negative, none of the real ones."""
    model = export_brightest("tflite", tmp_path, bias=-1000.0)
    switch_on(browser, serve(site_of(model, tmp_path / "site").path))
    assert "pixels of the test picture got ids that are no class" in text(browser, "note")
    assert text(browser, "asked") == "WebGPU"
    assert text(browser, "got").startswith("WASM")
    assert not browser.evaluate("webgpu.checked")
    click(browser, "#check")
    browser.wait_for(f"{SHARES}.length === 8")
    assert browser.evaluate(SHARES) == [1.0] * 8


def test_browser_without_webgpu_says_so(sites: dict[str, WebSite], serve: Serve) -> None:
    with Chromium("--disable-gpu") as browser:
        switch_on(browser, serve(sites["onnx"].path))
        reasons = ("this browser has none, or only over https", "the browser offers no GPU")
        told = [f"WebGPU is not used: {reason}. WASM runs the model." for reason in reasons]
        assert text(browser, "note") in told
        assert text(browser, "got").startswith("WASM")

"""The page of `demo --web` in headless Chromium: golden frames, pictures, the camera, and what goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.demo.web_folder import WebSite
from tests.demo.chromium import Chromium
from tests.demo.conftest import halves
from tests.demo.web import Serve

READY = "document.body.dataset.ready || !document.getElementById('message').hidden"
SHARES = "[...document.querySelectorAll('#checked li')].map((item) => Number(item.dataset.share))"


@pytest.fixture
def browser() -> Iterator[Chromium]:
    with Chromium() as chromium:
        yield chromium


def opened(browser: Chromium, address: str) -> Chromium:
    browser.open(address)
    browser.wait_for(READY)
    return browser


def text(browser: Chromium, identity: str) -> str:
    return str(browser.evaluate(f"document.getElementById('{identity}').textContent"))


def click(browser: Chromium, selector: str) -> None:
    browser.evaluate(f"document.querySelector('{selector}').click()")


def pixel(browser: Chromium, x: float, y: float) -> list[int]:
    """Return the colour of the stage at a share of its width and height."""
    at = f"{x} * stage.width, {y} * stage.height"
    told: list[int] = browser.evaluate(f"[...stage.getContext('2d').getImageData({at}, 1, 1).data]")
    return told[:3]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture that is red at the left and green at the right."""
    path = tmp_path / "halves.png"
    Image.fromarray(halves()).save(path)
    return path


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_golden_frames_are_equal_in_every_pixel_and_no_request_leaves_the_origin(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, target: str
) -> None:
    address = serve(sites[target].path)
    opened(browser, address)
    assert text(browser, "got").startswith("WASM")
    click(browser, "#check")
    browser.wait_for(f"{SHARES}.length === 8")
    assert browser.evaluate(SHARES) == [1.0] * 8
    assert all(request.startswith(address) for request in browser.requests)
    assert any("model." in request for request in browser.requests), "workers are watched"
    assert not [line for line in browser.log if "Content Security Policy" in line]
    assert browser.evaluate("crossOriginIsolated")


def test_picture_is_shown_under_its_classes(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, picture: Path
) -> None:
    opened(browser, serve(sites["onnx"].path)).choose("#file", picture)
    browser.wait_for("document.body.dataset.frames")
    shares = "[...document.querySelectorAll('#legend .share')].map((share) => share.textContent)"
    assert browser.evaluate(shares) == ["50 %", "50 %", ""]
    # 60 % of the class (200, 30, 20) over (220, 0, 0), of (20, 180, 40) over (0, 220, 0)
    assert np.allclose(pixel(browser, 0.25, 0.5), [208, 18, 12], atol=2)
    assert np.allclose(pixel(browser, 0.75, 0.5), [12, 196, 24], atol=2)


def test_legend_opacity_and_split_draw_the_same_frame_again(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, picture: Path
) -> None:
    opened(browser, serve(sites["onnx"].path)).choose("#file", picture)
    browser.wait_for("document.body.dataset.frames")
    click(browser, "#legend button")
    assert pixel(browser, 0.25, 0.5) == [220, 0, 0]
    assert pixel(browser, 0.75, 0.5) != [0, 220, 0]
    click(browser, "#legend button")
    browser.evaluate("opacity.value = 100, opacity.dispatchEvent(new Event('input'))")
    assert pixel(browser, 0.25, 0.5) == [200, 30, 20]
    browser.evaluate("split.value = 90")
    click(browser, "#split-view")
    assert pixel(browser, 0.25, 0.5) == [220, 0, 0]
    assert pixel(browser, 0.97, 0.05) == [20, 180, 40]
    click(browser, "#split-view")
    assert pixel(browser, 0.25, 0.5) == [200, 30, 20]

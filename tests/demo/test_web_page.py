"""The page of `demo --web` in headless Chromium: golden frames, pictures, the camera, and what goes wrong."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.demo.web_folder import WebSite
from tests.conftest import REPOSITORY
from tests.demo.chromium import Chromium, camera_from
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


def film_of(picture: np.ndarray, path: Path) -> Path:
    """Write a y4m film of one picture, ten times a second."""
    height, width = picture.shape[:2]
    y, cb, cr = Image.fromarray(picture).convert("YCbCr").split()
    half = (width // 2, height // 2)
    planes = b"".join(p.tobytes() for p in (y, cb.resize(half), cr.resize(half)))
    header = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + 10 * (b"FRAME\n" + planes))
    return path


@contextmanager
def filming(address: str, folder: Path) -> Iterator[Chromium]:
    """Open a page in a browser whose camera gives a film of halves, and start the camera."""
    film = film_of(halves(size_hw=(128, 192)), folder / "film.y4m")
    with Chromium(*camera_from(film)) as browser:
        opened(browser, address)
        click(browser, "#camera")
        yield browser


def test_camera_is_segmented_frame_after_frame(
    sites: dict[str, WebSite], serve: Serve, tmp_path: Path
) -> None:
    with filming(serve(sites["tflite"].path), tmp_path) as browser:
        browser.wait_for("Number(document.body.dataset.frames) >= 5")
        red, green = pixel(browser, 0.25, 0.5), pixel(browser, 0.75, 0.5)
        assert red[0] > 150 > 60 > red[1]
        assert green[1] > 150 > 60 > green[0]
        assert text(browser, "rate").endswith(" fps")
        assert all(text(browser, f"time-{stage}").endswith(" ms") for stage in ("prepare", "infer"))
        assert browser.evaluate("flip.disabled && torch.hidden")
        browser.evaluate(
            "HTMLAnchorElement.prototype.click = function () { window.saved = this.download; }"
        )
        click(browser, "#snapshot")
        assert browser.wait_for("window.saved").startswith("edge-deeplab-2")


def test_camera_goes_on_when_the_accelerator_is_switched(
    sites: dict[str, WebSite], serve: Serve, tmp_path: Path
) -> None:
    with filming(serve(sites["tflite"].path), tmp_path) as browser:
        browser.wait_for("Number(document.body.dataset.frames) >= 2")
        click(browser, "#webgpu")
        browser.wait_for("!webgpu.disabled && !note.hidden")
        browser.evaluate("document.body.dataset.frames = '0'")
        browser.wait_for("Number(document.body.dataset.frames) >= 3")
        assert browser.evaluate("document.body.dataset.source") == "camera"


def test_video_is_played_again_and_again_and_gives_way_to_a_picture(
    browser: Chromium,
    sites: dict[str, WebSite],
    serve: Serve,
    make_film: Callable[..., Path],
    picture: Path,
) -> None:
    film = make_film(4)
    opened(browser, serve(sites["onnx"].path)).choose("#file", film)
    browser.wait_for("Number(document.body.dataset.frames) >= 6")
    assert browser.evaluate("document.body.dataset.source") == "video"
    red, green = pixel(browser, 0.2, 0.5), pixel(browser, 0.85, 0.5)
    assert red[0] > 150 > 60 > red[1]
    assert green[1] > 150 > 60 > green[0]
    browser.choose("#file", picture)
    browser.wait_for("document.body.dataset.source === 'picture' && rate.hidden")
    browser.wait_for("document.body.dataset.frames === '1'")


REFUSALS = {
    "refused": (
        ("--use-fake-device-for-media-stream", "--deny-permission-prompts"),
        "The camera was refused",
    ),
    "absent": (("--use-fake-ui-for-media-stream",), "There is no camera"),
    "plain http": (("--host-resolver-rules=MAP phone.test 127.0.0.1",), "The camera needs https"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_camera_that_is_not_given_has_its_own_message_and_pictures_work_on(
    sites: dict[str, WebSite], serve: Serve, picture: Path, case: str
) -> None:
    flags, title = REFUSALS[case]
    address = serve(sites["onnx"].path)
    if case == "plain http":
        address = address.replace("localhost", "phone.test")
    with Chromium(*flags) as browser:
        opened(browser, address)
        click(browser, "#camera")
        browser.wait_for("!message.hidden")
        assert text(browser, "message-title") == title
        browser.choose("#file", picture)
        browser.wait_for("document.body.dataset.frames && message.hidden")


def test_files_that_are_no_pictures_have_their_own_messages(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, tmp_path: Path
) -> None:
    opened(browser, serve(sites["onnx"].path))
    for name, title in (
        ("a.png", "This picture cannot be read"),
        ("a.mp4", "This video cannot be played"),
    ):
        (tmp_path / name).write_bytes(b"nothing")
        browser.choose("#file", tmp_path / name)
        browser.wait_for(f"document.getElementById('message-title').textContent === '{title}'")


def test_model_that_is_missing_or_another_one_is_said(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(sites["onnx"].path, site)
    (site / "model.onnx").write_bytes(b"another")
    opened(browser, serve(site))
    assert "not the one that this page was written for" in text(browser, "message-detail")
    assert browser.evaluate("camera.disabled")


def test_class_names_of_a_stranger_are_text(
    browser: Chromium, sites: dict[str, WebSite], serve: Serve, tmp_path: Path
) -> None:
    site, name = tmp_path / "site", "<img src=x onerror=alert(1)>"
    shutil.copytree(sites["onnx"].path, site)
    code = site / "contract.js"
    code.write_text(code.read_text().replace('"red"', json.dumps(name)))
    opened(browser, serve(site))
    assert browser.evaluate("document.querySelector('#legend .name').textContent") == name
    assert browser.evaluate("document.querySelectorAll('#legend img').length") == 0


def test_model_for_which_there_is_no_memory_says_so(
    sites: dict[str, WebSite], serve: Serve
) -> None:
    with Chromium("--js-flags=--wasm-max-mem-pages=64") as browser:
        opened(browser, serve(sites["tflite"].path))
        assert text(browser, "message-title") == "Out of memory"
        assert "Cannot allocate Wasm memory" in text(browser, "message-detail")


MESSAGES = """
import { explain } from "./messages.js";
const errors = [
  new RangeError("WebAssembly.Memory(): could not allocate memory"),
  new Error("Aborted(OOM). Build with -sASSERTIONS for more info."),
  Object.assign(new Error("memory access out of bounds"), { name: "RuntimeError" }),
  Object.assign(new Error("x"), { name: "NotReadableError" }),
  new Error("something else"),
];
console.log(JSON.stringify(errors.map((error) => explain(error).title)));
"""


def test_out_of_memory_has_its_own_message(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is absent: messages.js cannot be run")
    shutil.copy(REPOSITORY / "demo" / "web" / "app" / "messages.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "harness.js").write_text(MESSAGES)
    command = [node, "harness.js"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    titles = json.loads(done.stdout)
    assert titles == [*3 * ["Out of memory"], "The camera is busy", "The model cannot run here"]

"""The shipped checkpoint in a browser: class maps of photographs as the native runtime gives them, and the camera."""

from pathlib import Path

import numpy as np
import pytest

from edge_deeplab import api
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo.web_folder import write_site
from tests.acceptance.test_shipped_checkpoint import run_json
from tests.demo.chromium import Chromium, camera_from
from tests.demo.test_web_page import SHARES, click, film_of, opened
from tests.demo.web import Serve, require_packages, serve

__all__ = ["serve"]  # a fixture, which pytest finds by name in this file

SHOWN = "[...document.querySelectorAll('#legend li:not(.absent) .name')].map((name) => name.textContent)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "target", "precision", "least"),
    [
        ("camvid-efficientnet-lite0", "tflite", "fp32", 1.0),
        ("camvid-efficientnet-lite0", "onnx", "fp32", 1.0),
        ("camvid-efficientnet-lite0-int8", "tflite", "int8", 0.995),
    ],
)
def test_browser_gives_the_native_class_maps_and_shows_the_camera(
    checkpoint: str,
    target: str,
    precision: str,
    least: float,
    camvid: Path,
    serve: Serve,
    tmp_path: Path,
) -> None:
    require_packages(target)
    asked = ("--target", target, "--precision", precision, "--output", str(tmp_path / "exports"))
    (artifact,) = run_json("export", checkpoint, *asked)["artifacts"]
    photographs = resolve_dataset(DataFolder(camvid), "test")
    site = write_site(api.open_artifact(Path(artifact["path"])), photographs, tmp_path / "site")
    picture = resize_image(photographs[0].image_hwc, site.contract.size_hw)
    with Chromium(*camera_from(film_of(picture, tmp_path / "film.y4m"))) as browser:
        opened(browser, serve(site.path))
        click(browser, "#check")
        browser.wait_for(f"{SHARES}.length === 8")
        assert np.min(browser.evaluate(SHARES)) >= least
        click(browser, "#camera")
        browser.wait_for("Number(document.body.dataset.frames) >= 3")
        assert {"road", "building", "sky"} <= set(browser.evaluate(SHOWN))

"""The demo as a process of its own: on a board without torch and the converters, and ended by Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.demo.conftest import CLASSES

ABSENT = (
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "safetensors",
    "onnx",
    "onnxscript",
    "onnxsim",
    "litert_torch",
    "coremltools",
)

REFUSING = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture
def board(tmp_path: Path) -> dict[str, str]:
    """The environment of an interpreter that cannot import `ABSENT`."""
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "sitecustomize.py").write_text(REFUSING)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "board")}


def run_python(board: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=board, capture_output=True, text=True, timeout=300
    )


def half_way(pixel: tuple[int, int, int], color: tuple[int, int, int]) -> np.ndarray:
    return (np.array(pixel) + np.array(color)) / 2


@pytest.mark.parametrize("module", ABSENT)
def test_board_really_lacks_the_module(board: dict[str, str], module: str) -> None:
    found = run_python(board, "-c", f"import {module}")
    assert f"No module named '{module}'" in found.stderr


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_demo_without_torch_records_every_picture_of_a_folder(
    board: dict[str, str],
    artifacts: dict[str, Path],
    image_folder: Path,
    tmp_path: Path,
    target: str,
) -> None:
    film = tmp_path / "out.mp4"
    demo = ("-m", "edge_deeplab", "demo", "--artifact", str(artifacts[target]))
    run = run_python(
        board, *demo, "--source", str(image_folder), "--headless", "--record", str(film), "--json"
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["frames"] == 5
    with av.open(str(film)) as container:
        pictures = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
    assert len(pictures) == 5
    for index, picture in enumerate(pictures):
        border = 48 + 2 * index
        assert picture.shape[1] > 96, "the panel stands beside the picture"
        assert np.abs(picture[32, border - 6] - half_way((220, 0, 0), CLASSES[0].color)).max() < 14
        assert np.abs(picture[32, border + 6] - half_way((0, 220, 0), CLASSES[1].color)).max() < 14


@pytest.mark.parametrize("smooth", [(), ("--smooth", "majority")])
def test_demo_without_torch_film_in_film_out(
    smooth: tuple[str, ...],
    board: dict[str, str],
    artifacts: dict[str, Path],
    make_film: Callable[..., Path],
    tmp_path: Path,
) -> None:
    source, film = make_film(4), tmp_path / "out.mp4"
    demo = ("-m", "edge_deeplab", "demo", "--artifact", str(artifacts["tflite"]))
    drawn = ("--source", str(source), "--headless", "--record", str(film))
    run = run_python(board, *demo, *drawn, *smooth)
    assert run.returncode == 0, run.stderr
    with av.open(str(film)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 0.25, 0.5, 0.75], abs=1e-3)


def test_replay_and_contract_without_torch_lie_complete(
    board: dict[str, str], artifacts: dict[str, Path], image_folder: Path, tmp_path: Path
) -> None:
    demo = ("-m", "edge_deeplab", "demo", str(artifacts["tflite"]))
    masks, contract = tmp_path / "masks", tmp_path / "contract"
    run = run_python(board, *demo, "--replay", str(image_folder), "--output", str(masks))
    assert run.returncode == 0, run.stderr
    assert len(list(masks.glob("*.png"))) == 5
    run = run_python(board, *demo, "--contract", str(contract))
    assert run.returncode == 0, run.stderr
    frames = json.loads((contract / "golden" / "golden.json").read_text())["frames"]
    assert [frame["name"] for frame in frames][:2] == ["scene-1000000", "scene-1000006"]


@pytest.mark.skipif(os.name != "posix", reason="only on POSIX: stands in for a terminal")
def test_replay_on_a_terminal_tells_its_result_after_the_bar(
    artifacts: dict[str, Path], image_folder: Path, tmp_path: Path
) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge_deeplab", "demo", str(artifacts["onnx"])]
    process = subprocess.Popen(
        [*command, "--replay", str(image_folder), "--output", str(tmp_path / "masks")],
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while read := terminal.read(4096):
            told += read
    assert process.wait(timeout=60) == 0, told.decode()
    assert b"class maps of 5 photographs" in told


def test_demo_import_loads_no_heavy_module(board: dict[str, str]) -> None:
    code = (
        "import sys; from edge_deeplab.demo import pipeline, sources, record, window; "
        "from edge_deeplab.runtimes import open; "
        "print(sorted({'onnxruntime', 'ai_edge_litert', 'av', 'tkinter'} & set(sys.modules)))"
    )
    found = run_python(board, "-c", code)
    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.skipif(os.name != "posix", reason="only on POSIX: sends a signal as a terminal does")
def test_demo_ctrl_c_ends_well_and_keeps_the_recording(
    artifacts: dict[str, Path], tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3000):
        (pictures / f"{index:04d}.png").symlink_to(tmp_path / "one.png")
    Image.new("RGB", (640, 480), (90, 120, 60)).save(tmp_path / "one.png")
    film = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "edge_deeplab", "demo", "--artifact", str(artifacts["onnx"])]
    process = subprocess.Popen(
        [*command, "--source", str(pictures), "--headless", "--record", str(film), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: any(p.stat().st_size > 0 for p in tmp_path.glob(".out.mp4.*/out.mp4")))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    document = json.loads(output)
    assert (process.returncode, document["stopped"]) == (0, True)
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == document["frames"] < 3000


def wait_until(happens: Callable[[], bool], timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""The Android demo's core and the contract's Kotlin, held to the golden frames, to Python and to Pillow."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.data.images import read_grey
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.formats.replay import StageTimes, read_replay
from tests.demo.test_contract import (
    FORMS,
    HEIGHT,
    NAMES,
    WIDTH,
    dataset,  # noqa: F401
    golden_of,
    load,
    make,  # noqa: F401
    picture,
    sha256,
)

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "demo" / "android" / "core"
COMPILER = Path(os.environ.get("EDGE_DEEPLAB_KOTLIN", ROOT / ".venv" / "kotlin"))
READING = {
    "int32": "IntArray(n / 4) { b.getInt(4 * it) }",
    "float32": "FloatArray(n / 4) { b.getFloat(4 * it) }",
    "int8": "bytes",
}
"""How Kotlin reads the output's elements, by their type; n bytes are in b, little-endian."""
OUTPUT = """
fun output(bytes: ByteArray) = run {{
    val (n, b) = bytes.size to java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN)
    check(n == b.capacity())
    {reading}
}}
"""


def compile_and_run(folder: Path, sources: list[Path]) -> None:
    """Compile sources and run `GoldenRun.kt` on a folder."""
    compiler, java = COMPILER / "bin" / "kotlinc", shutil.which("java")
    if java is None or not compiler.is_file():
        pytest.skip("the Kotlin compiler is absent: .ci/kotlin-compiler gets it")
    jar = folder / "core.jar"
    commands = (
        ["bash", str(compiler), "-nowarn", "-d", str(jar), *map(str, sources)],
        [
            java,
            "-cp",
            f"{jar}:{COMPILER / 'lib' / 'kotlin-stdlib.jar'}",
            "GoldenRunKt",
            str(folder),
        ],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def rgba(pixels_hwc: np.ndarray) -> bytes:
    """Return the RGBA bytes of an opaque picture."""
    opaque = np.full((*pixels_hwc.shape[:2], 1), 255, np.uint8)
    return np.concatenate([pixels_hwc, opaque], -1).tobytes()


def argb(pixels_hwc: np.ndarray) -> bytes:
    """Return the bytes of a picture's opaque ARGB integers."""
    opaque = np.full((*pixels_hwc.shape[:2], 1), 255, np.uint8)
    return np.concatenate([pixels_hwc[..., ::-1], opaque], -1).tobytes()


@pytest.mark.parametrize("form", ["ids", "small scores", "third"])
def test_kotlin_gives_the_golden_frames_and_the_bytes_of_pillow(
    make: Any,  # noqa: F811
    form: str,
) -> None:
    folder, runtime = make(form)
    frames, noise = golden_of(folder), np.random.default_rng(0)
    sizes = [(50, 70), (31, 47), (HEIGHT, WIDTH), (97, 20), (32, 100), (8, 6), (1, 1), (64, 96)]
    photographs = [noise.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    for frame, photograph in zip(frames, photographs, strict=True):
        seen, name = picture(folder, frame["input"]), frame["name"]
        Image.fromarray(photograph).save(folder / f"{name}.photo.png")
        Image.fromarray(seen).save(folder / f"{name}.input.png")
        (folder / f"{name}.output").write_bytes(runtime.execute(seen).tobytes())
    (folder / "frames.txt").write_text("".join(f"{frame['name']}\n" for frame in frames))
    (folder / "Output.kt").write_text(OUTPUT.format(reading=READING[FORMS[form][-1]]))
    sources = [*sorted(CORE.rglob("*.kt")), folder / "Contract.kt", folder / "Output.kt"]
    compile_and_run(folder, sources)

    code = load(folder / "contract.py")
    for frame, photograph in zip(frames, photographs, strict=True):
        name, given = frame["name"], picture(folder, frame["class_map"])
        made = {each.suffix[1:]: each.read_bytes() for each in folder.glob(f"{name}.*")}
        assert sha256(made["tensor"]) == frame["input"]["tensor_sha256"]
        assert sha256(made["ids"]) == frame["class_map"]["ids_sha256"]
        assert made["colours"] == argb(code.colour(given))
        resized, expected = made["resized"], argb(resize_image(photograph, (HEIGHT, WIDTH)))
        is_tall = (
            photograph.shape[0] > photograph.shape[1]
        )  # of which Pillow may take columns first
        off = np.frombuffer(resized, np.uint8) - np.frombuffer(expected, np.uint8).astype(int)
        assert np.abs(off).max() <= is_tall
        assert np.array_equal(read_grey(folder / f"{name}.png", (HEIGHT, WIDTH)), given)
        for turns, degrees in ((-1, 90), (2, 180), (1, 270)):
            assert made[f"turned{degrees}"] == argb(np.rot90(photograph, turns))
    replay = read_replay(folder)
    assert [image.name for image in replay.images] == [frame["name"] for frame in frames]
    for image in replay.images:
        assert image.sha256 == sha256((folder / image.file).read_bytes())
        assert image.ms == StageTimes(infer=12.5, prepare=0.25)
    assert (replay.device, replay.classes) == ('a "device" \\ Straße', NAMES)
    assert (replay.accelerator.asked, replay.accelerator.got) == ("gpu", "cpu")
    contract = json.loads((folder / "contract.json").read_text())
    assert (replay.model_sha256, [*replay.size_hw]) == (
        contract["model_sha256"],
        contract["size_hw"],
    )

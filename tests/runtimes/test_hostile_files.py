"""Files that harm what runs them: the process that opened them goes on, with one sentence."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.child.limits import Allowance
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, ChildError
from edge_deeplab.formats.tflite_metadata import read_metadata
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.inputs import image_tensor
from edge_deeplab.runtimes.outputs import score_map
from tests.hostile_files import (
    HOSTILE,
    PICTURE,
    Writer,
    write_crash_when_opened,
    write_crash_when_run,
    write_endless,
    write_harmless,
    write_memory_hog,
    write_onnx_endless,
    write_onnx_memory_hog,
    write_shared_offsets,
)

UNIT = Normalisation((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("write", [write_crash_when_opened, write_crash_when_run])
def test_hostile_file_really_ends_the_process_that_runs_it(write: Writer, tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from ai_edge_litert.interpreter import Interpreter\n"
        "interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)\n"
        "interpreter.allocate_tensors(); interpreter.invoke()\n"
    )
    path = write(tmp_path / "crash.tflite")
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True)
    assert run.returncode == -11


def test_crash_when_opened_is_one_sentence(tmp_path: Path) -> None:
    path = write_crash_when_opened(tmp_path / "crash.tflite")
    with pytest.raises(ChildError, match=r"crash\.tflite .* SIGSEGV") as raised:
        open_artifact(path, threads=1)
    assert "\n" not in str(raised.value)


def test_crash_when_run_is_one_sentence_each_time(tmp_path: Path) -> None:
    path = write_crash_when_run(tmp_path / "crash.tflite")
    runtime = open_artifact(path, threads=1, normalisation=UNIT)
    images = np.zeros(PICTURE, np.uint8)
    for run in (runtime.time_once, lambda: runtime.predict(images), lambda: runtime.logits(images)):
        with pytest.raises(ChildError, match="SIGSEGV"):
            run()


def test_crash_of_one_file_leaves_the_others_running(tmp_path: Path) -> None:
    crash = open_artifact(write_crash_when_run(tmp_path / "crash.tflite"), threads=1)
    harmless = open_artifact(write_harmless(tmp_path / "harmless.tflite"), threads=1)
    with pytest.raises(ChildError):
        crash.time_once()
    assert harmless.time_once() > 0


@pytest.mark.parametrize(
    ("write", "name"), [(write_memory_hog, "hog.tflite"), (write_onnx_memory_hog, "hog.onnx")]
)
def test_memory_hog_takes_little_and_is_refused(write: Writer, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(ArtifactError, match=r"hog\."):
        open_artifact(path, threads=1).time_once()
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert max(after - before, 0) < 2 << 20, "kilobytes"


def test_endless_computing_ends_within_ten_seconds_of_a_core(tmp_path: Path) -> None:
    runtime = open_artifact(write_endless(tmp_path / "endless.tflite"), threads=1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(ChildError, match=r"7 s of processor time; .* allow it more time"):
        runtime.time_once()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


@pytest.mark.parametrize(
    ("write", "name"), [(write_endless, "endless.tflite"), (write_onnx_endless, "endless.onnx")]
)
def test_allowance_bounds_what_a_file_may_take(write: Writer, name: str, tmp_path: Path) -> None:
    allowance = Allowance(cpu_s=1.0)
    path = write(tmp_path / name)
    with pytest.raises(ChildError, match="more than 1 s of processor time"):
        open_artifact(path, threads=1, allowance=allowance).time_once()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_small(name: str, tmp_path: Path) -> None:
    assert HOSTILE[name](tmp_path / "small.tflite").stat().st_size < 1000


def test_metadata_of_shared_offsets_is_refused_at_once(tmp_path: Path) -> None:
    content = write_shared_offsets(tmp_path / "shared.tflite").read_bytes()
    start = time.process_time()
    with pytest.raises(ValueError, match="more memory than the 32 MiB"):
        read_metadata(content, "edge_deeplab")
    assert time.process_time() - start < 2


def test_metadata_of_shared_offsets_is_one_sentence_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"shared\.tflite carries metadata that cannot be read \(it asks for more",
    ):
        open_artifact(write_shared_offsets(tmp_path / "shared.tflite"), threads=1)


def test_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(ArtifactError, match="a picture of 20000x20000; at most 8388608 pixels"):
        image_tensor("x", (1, 20_000, 20_000, 3), "uint8", path="large.tflite")


@pytest.mark.parametrize("shape", [(1, 2, 2, 300), (1, 2, 3, 256)])
def test_scores_that_would_take_gigabytes_are_refused(shape: tuple[int, ...]) -> None:
    image = image_tensor("x", (1, 1024, 1536, 3), "uint8", path="many.tflite")
    with pytest.raises(ArtifactError, match=rf"scores of {shape[3]} classes"):
        score_map(np.zeros(shape, np.float32), image, path="many.tflite")


def test_runtime_gives_the_same_in_a_child_as_in_process(
    export_tiny: Callable[..., Path], images: np.ndarray
) -> None:
    from edge_deeplab.runtimes.interpreter import TFLiteEngine
    from edge_deeplab.runtimes.onnx import OnnxEngine

    for engine, target in ((OnnxEngine, "onnx"), (TFLiteEngine, "tflite")):
        path = export_tiny(target)
        here, runtime = engine(path, 1), open_artifact(path, threads=1)
        tensor = here.image.encode(images[0], None)
        np.testing.assert_array_equal(here.run(tensor)[0], runtime.predict(images[:1])[0])

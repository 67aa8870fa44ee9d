"""The documents' commands, run one after the other as they stand, but for those that the book says no test runs."""

import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from filelock import FileLock

from edge_deeplab.models import shipped_files
from tests.docs_commands import DOCUMENTS, ROOT, Told, commands_of
from tests.docs_desk import lay, run, write_shipped
from tests.slow import or_slow

LIES: dict[str, tuple[str, ...]] = {
    "docs/ci.md": ("exports",),
    "docs/coreai.md": ("exports/model-int8.tflite", "exports/model-int8.onnx"),
    "docs/demo.md": ("exports/model.tflite", "street.mp4"),
    "docs/device-lab.md": ("exports/model.tflite", "exports/model.onnx"),
    "docs/executorch.md": ("exports/model-int8.tflite", "exports/model-int8.onnx"),
    "docs/importing.md": (
        *("model.safetensors", "classes.txt", "deeplabv3.pth", "voc.txt", "deeplab.tflite"),
        *("cityscapes.tflite", "cityscapes-to-camvid.toml", "person.tflite", "person.toml"),
    ),
    "docs/quantization.md": ("runs/street",),
    "docs/report.md": ("exports", "runs/small"),
    "docs/troubleshooting.md": (
        *("exports/model.tflite", "exports/model.onnx", "int8/model.tflite", "int8/model.onnx"),
        *("runs/camvid", "masks"),
    ),
    "docs/web.md": ("exports/model.tflite", "exports/model.onnx", "masks"),
}
"""What a document takes for granted, from the working folder."""

_EXCEPTION = re.compile(r"^\| (?P<where>\S+) \| `(?P<pattern>[^`]+)` \| (?P<why>.+) \|$", re.M)


def exceptions() -> list[tuple[str, str]]:
    """Return the book's table of commands that no test runs: where they stand, and how they are written."""
    rows = _EXCEPTION.finditer((ROOT / "docs" / "README.md").read_text())
    return [(row["where"], row["pattern"]) for row in rows]


def is_left_out(told: Told, where: str, pattern: str) -> bool:
    return fnmatchcase(told.document, where) and fnmatchcase(shlex.join(told.words), pattern)


def runnable(path: Path) -> list[Told]:
    told = exceptions()
    return [each for each in commands_of(path) if not any(is_left_out(each, *row) for row in told)]


RUN = [path for path in DOCUMENTS if path.name != "start.md" and runnable(path)]
LONG = {"pruning", "compress", "report"}
"""Documents whose commands train and measure for minutes; `make slow` runs them, and the README has shorter ones."""


@pytest.fixture(scope="module")
def shipped(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small checkpoints under the shipped ones' names, which the suite's processes share."""
    folder = tmp_path_factory.getbasetemp().parent / "docs-shipped"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            partial.mkdir()
            write_shipped(partial, shallow)
            partial.rename(folder)
    return folder / "shipped"


@pytest.fixture
def desk(shallow: str, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped_files, "files", lambda package: shipped)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings(
    "ignore:os.fork:RuntimeWarning"
)  # of JAX, beside workers that draw crops
@pytest.mark.parametrize(
    "path", [or_slow(path, path.stem not in LONG) for path in RUN], ids=lambda path: path.stem
)
def test_commands_of_a_document_run_as_they_stand(path: Path, desk: Path, shallow: str) -> None:
    lay(desk, shallow, LIES.get(str(path.relative_to(ROOT)), ()))
    for told in runnable(path):
        run(*told.typed_in(desk))


def test_every_exception_of_the_book_is_one() -> None:
    told = [each for path in DOCUMENTS for each in commands_of(path)]
    rows = exceptions()
    assert rows
    for row in rows:
        assert any(is_left_out(each, *row) for each in told), f"no command is {row}"
